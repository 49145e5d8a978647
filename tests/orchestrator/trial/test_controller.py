"""What is left of a trial whose process is killed, on a Ray without a dashboard."""

import os
import signal
import time

import ray
from ray.util.placement_group import placement_group

from orchestrator.trial.controller import cleaner


class Trial:
    def take(self) -> int:
        room = placement_group([{"CPU": 1.5}])
        ray.get(room.ready())
        ray.get(cleaner().register.remote(room))
        return os.getpid()


def test_the_room_of_a_killed_trial_is_free_again(ray_local: None) -> None:
    trial = ray.remote(num_cpus=0)(Trial).remote()
    process = ray.get(trial.take.remote())
    assert ray.available_resources()["CPU"] == 0.5
    os.kill(process, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while ray.available_resources()["CPU"] < 2 or cleaners():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def cleaners() -> list[dict]:
    return [
        a for a in ray._private.state.actors().values() if a["ActorClassName"] == "Cleaner" and a["State"] != "DEAD"
    ]

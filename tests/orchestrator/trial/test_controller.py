"""What a trial gives its processes; and what is left of it when it is killed, on a Ray without a dashboard."""

import os
import signal
import time

import pytest
import ray
from ray.tune.execution import class_cache
from ray.util.placement_group import placement_group

from orchestrator.trial import trainable
from orchestrator.trial.cleaner import cleaner
from orchestrator.trial.controller import Group


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


def test_trials_and_their_workers_have_the_environment_of_all_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another one costs each process a second interpreter, and a task of it finds no process that is there."""
    for name in ("DEFAULT_ENV_VARS", "ENV_VARS_TO_PROPAGATE"):
        monkeypatch.setattr(class_cache, name, getattr(class_cache, name))
    monkeypatch.setenv("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.2")

    def of_a_trial() -> dict:
        return (
            class_cache._ActorClassCache()
            .get(type("Trial", (), {}))
            ._default_options["runtime_env"]
            .get("env_vars", {})
        )

    assert of_a_trial()["RAY_TRAIN_HEALTH_CHECK_INTERVAL_S"] == "0.2"
    trainable.share_processes()
    assert of_a_trial() == {}
    assert Group._get_worker_runtime_env({}) == {}

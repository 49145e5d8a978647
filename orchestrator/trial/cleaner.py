"""Frees the room of a trial's workers once its process is gone.

Apart from the controller, so that its process imports Ray alone: a first run waits for it.
"""

import threading
import time
from contextlib import suppress
from functools import cache
from typing import Any

import ray
import ray._private.state
from ray._common.constants import HEAD_NODE_RESOURCE_NAME
from ray.util import remove_placement_group
from ray.util.placement_group import PlacementGroup


class Cleaner:
    """Frees the room of a trial's workers once its process is gone; without it they hold it until the driver ends.

    It ends by itself then. (Ray's own asks the dashboard whether the process lives, and dies where there is none.)
    """

    def __init__(self, trial: str):
        self.trial, self.room = trial, None
        self.itself = ray.get_runtime_context().current_actor
        threading.Thread(target=self._watch, daemon=True).start()

    def register(self, room: PlacementGroup) -> None:
        self.room = room

    def _watch(self) -> None:
        state = "unknown"
        while state != "DEAD":
            time.sleep(1)
            with suppress(Exception):  # the head doesn't answer for a while
                state = ray._private.state.actors(self.trial)["State"]
        if self.room:
            remove_placement_group(self.room)
        ray.kill(self.itself)


@cache
def cleaner() -> Any:
    """This process's own, on the head."""
    options = {"lifetime": "detached", "resources": {HEAD_NODE_RESOURCE_NAME: 0.001}, "scheduling_strategy": "DEFAULT"}
    return ray.remote(num_cpus=0)(Cleaner).options(**options).remote(ray.get_runtime_context().get_actor_id())

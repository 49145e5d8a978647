"""TRIAL: Ray Train's controller without processes of its own, for a run of seconds is mostly their start.

Ray 2.60 starts three for each run beside its workers: the controller, which imports torch (4 s of a core), one that
takes a dead controller's workers away, and one that hands out Datasets. Here the controller lives in the trial's
process, which one run after the other uses; so does what cleans up after it; and workers open their own Datasets.
"""

import threading
import time
from contextlib import suppress
from functools import cache
from typing import Any

import ray
import ray._private.state
from ray._common.constants import HEAD_NODE_RESOURCE_NAME
from ray.train.v2._internal.callbacks.datasets import DatasetsCallback
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
from ray.train.v2._internal.execution.controller import TrainController
from ray.train.v2._internal.execution.worker_group import WorkerGroup
from ray.util import remove_placement_group
from ray.util.placement_group import PlacementGroup


def without_helpers(callbacks: list) -> list:
    return [c for c in callbacks if not isinstance(c, DatasetsCallback | PlacementGroupCleanerCallback)]


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


class Group(WorkerGroup):
    """Its room is known to the cleaner before its workers are started, not after: that takes seconds."""

    def _create_placement_group(self, *given: Any) -> Any:
        handle = super()._create_placement_group(*given)
        ray.get(cleaner().register.remote(handle.placement_group))
        return handle


class Controller(TrainController):
    worker_group_cls = Group

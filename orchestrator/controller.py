"""TRIAL: Ray Train's controller without processes of its own, for a run of seconds is mostly their start.

Ray 2.60 starts three for each run beside its workers: the controller, which imports torch (4 s of a core), one that
takes a dead controller's workers away, and one that hands out Datasets. Here the controller lives in the trial's
process, which one run after the other uses; so does what cleans up after it; and workers open their own Datasets.
"""

from functools import cache
from typing import Any

import ray
from ray._common.constants import HEAD_NODE_RESOURCE_NAME
from ray.train.v2._internal.callbacks.datasets import DatasetsCallback
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
from ray.train.v2._internal.execution.controller import TrainController
from ray.train.v2._internal.execution.controller.placement_group_cleaner import PlacementGroupCleaner
from ray.train.v2._internal.execution.worker_group import WorkerGroup


def without_helpers(callbacks: list) -> list:
    return [c for c in callbacks if not isinstance(c, DatasetsCallback | PlacementGroupCleanerCallback)]


@cache
def cleaner() -> Any:
    """Frees the room of this process's workers once the process is gone; without it they hold it until the driver ends.

    It ends by itself then.
    """
    trial = ray.get_runtime_context().get_actor_id()
    actor = (
        ray.remote(num_cpus=0)(PlacementGroupCleaner)
        .options(lifetime="detached", resources={HEAD_NODE_RESOURCE_NAME: 0.001}, scheduling_strategy="DEFAULT")
        .remote(controller_actor_id=trial, check_interval_s=1.0, get_actor_timeout_s=5.0, stop_timeout=2.0)
    )
    actor.start_monitoring.remote()
    return actor


class Group(WorkerGroup):
    """Its room is known to the cleaner before its workers are started, not after: that takes seconds."""

    def _create_placement_group(self, *given: Any) -> Any:
        handle = super()._create_placement_group(*given)
        ray.get(cleaner().register_placement_group.remote(handle.placement_group))
        return handle


class Controller(TrainController):
    worker_group_cls = Group

"""TRIAL: Ray Train's controller without processes of its own, for a run of seconds is mostly their start.

Ray 2.60 starts three for each run beside its workers: the controller, which imports torch (4 s of a core), one that
takes a dead controller's workers away, and one that hands out Datasets. Here the controller lives in the trial's
process, which one run after the other uses; so does what cleans up after it; and workers open their own Datasets.
"""

from typing import Any

import ray
from ray.train.v2._internal.callbacks.datasets import DatasetsCallback
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
from ray.train.v2._internal.execution.controller import TrainController
from ray.train.v2._internal.execution.worker_group import WorkerGroup

from orchestrator.trial.cleaner import cleaner


def without_helpers(callbacks: list) -> list:
    return [c for c in callbacks if not isinstance(c, DatasetsCallback | PlacementGroupCleanerCallback)]


class Group(WorkerGroup):
    """A group whose room is known to the cleaner before its workers are started, not after: that takes seconds."""

    def _create_placement_group(self, *given: Any) -> Any:
        handle = super()._create_placement_group(*given)
        ray.get(cleaner().register.remote(handle.placement_group))
        return handle

    @staticmethod
    def _get_worker_runtime_env(custom_runtime_env: Any) -> Any:
        """The job's own environment, without the variables of the controller that Ray adds: workers read none of them.

        Processes of another environment than the driver's are set up by one more interpreter each, and the tasks of a
        worker's Datasets could use none of those that decoded the shards.
        """
        return custom_runtime_env


class Controller(TrainController):
    worker_group_cls = Group

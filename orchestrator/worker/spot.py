"""A spot node that its cloud takes back: runs on it keep a checkpoint and leave before it goes."""

import ray.train
import ray.train.collective


class Preempted(RuntimeError):
    """A run left its node in time. It is tried again, and that uses up none of its tries."""


def noticed(spot: bool) -> bool:
    """Whether a node of this run's workers is about to be taken away. All workers of a run ask together.

    Without `spot` nobody is asked. Ray learns of it from the autoscaler or from `ray drain-node`.
    """
    return spot and ray.train.get_preemption_info() is not None


def leave() -> None:
    """Raises Preempted, once all workers are here: one that left would end the others while they write."""
    ray.train.collective.barrier()
    raise Preempted("the node of one of its processes is taken away")

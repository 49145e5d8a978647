"""What ended a run through no fault of its own, in a sentence: a process or a node was lost, or a worker hangs."""

from collections.abc import Iterator

from ray.exceptions import NodeDiedError, ObjectLostError, OutOfMemoryError, RayActorError, WorkerCrashedError
from ray.train.v2._internal.exceptions import WorkerHealthCheckFailedError, WorkerHealthCheckTimeoutError
from ray.train.v2.api.exceptions import PreemptionError

from orchestrator.plan.spec import RunSpec
from orchestrator.worker.cards import ways_out
from orchestrator.worker.spot import Preempted

# How often a start tries a run again whose processes were lost. What the run itself raised would only happen again.
RETRIES = 3

GONE = (RayActorError, WorkerCrashedError, NodeDiedError, ObjectLostError, OutOfMemoryError)


def preempted(error: BaseException) -> bool:
    """Whether a node was taken away that Ray had been told to empty, as a cloud takes back a spot node."""
    return any(
        isinstance(e, Preempted | PreemptionError) or (isinstance(e, RayActorError) and e.preempted)
        for e in _inside(error)
    )


def words(error: BaseException) -> str | None:
    """None where the run's own code raised it: that would only happen again."""
    found = list(_inside(error))
    if preempted(error):
        return "the node of one of its processes was taken away, as Ray had been told"
    if any(isinstance(e, WorkerHealthCheckTimeoutError) for e in found):
        return "a worker gave no sign of life (it hangs, or its node can't be reached)"
    gone = next((e for e in found if isinstance(e, GONE)), None)
    if gone is None:
        return None
    text = str(gone)
    if isinstance(gone, OutOfMemoryError) or "low on memory" in text:
        return "Ray ended a process of it because its node ran out of memory"
    if "node has died" in text or isinstance(gone, NodeDiedError):
        return "the node of one of its processes was lost"
    who = "a worker process" if any(isinstance(e, WorkerHealthCheckFailedError) for e in found) else "a process of it"
    return f"{who} was killed or crashed (out of memory is a usual cause)"


def raised(cause: BaseException, spec: RunSpec, share: float = 1.0) -> str:
    """What a run's own code raised, and the ways out where its GPU, of which it has this share, had no more memory."""
    said = str(cause)
    if "CUDA" not in said or "out of memory" not in said:
        return f"{type(cause).__name__}: {cause}"
    first, *others = said.splitlines()[0].split(". ")
    told = "; ".join(other.rstrip(".") for other in others[:2]) or first
    return f"the memory of its GPU is too small for what runs on it: {told}. {ways_out(spec, share)}"


def _inside(error: BaseException | None) -> Iterator[BaseException]:
    """The error and those that Ray Train wrapped in it."""
    if error is None:
        return
    yield error
    for name in ("controller_failure", "health_check_failure", "cause", "__cause__"):
        inner = getattr(error, name, None)
        if isinstance(inner, BaseException):
            yield from _inside(inner)
    for inner in getattr(error, "worker_failures", {}).values():
        yield from _inside(inner)

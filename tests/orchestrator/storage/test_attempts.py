"""Attempts at a run: what ended each is kept, one that is over writes nothing, and one that stalls ends itself."""

import subprocess
import sys
from pathlib import Path

import pytest
from ray.exceptions import ActorDiedError, OutOfMemoryError
from ray.train import PreemptionInfo, WorkerGroupError
from ray.train.v2._internal.exceptions import WorkerHealthCheckFailedError, WorkerHealthCheckTimeoutError
from ray.train.v2.api.exceptions import PreemptionError

from orchestrator.storage.run_folder import TakenOver
from orchestrator.storage.store import Store
from orchestrator.trial import failures
from orchestrator.worker.spot import Preempted
from tests.support.runs import specs

ROOT = Path(__file__).parents[3]
SPEC = specs.run("imu")


def test_what_ended_each_attempt_is_kept(tmp_path: Path) -> None:
    folder = Store(tmp_path, 1).run(SPEC.key).begin(SPEC, {"plan": "three"})
    assert folder.attempts() == [] and folder.attempt == 1
    folder.append_history({"epoch": 1})
    folder.note("a worker process was killed")
    folder.note("its trial ended")
    second = folder.begin_again()
    assert second.attempt == 2 and second.record("spec")["about"] == {"plan": "three"}
    second.fail("ValueError: extreme values", "")
    Store(tmp_path, 2).run(SPEC.key).begin(SPEC)
    last = Store(tmp_path, 3).run(SPEC.key).begin(SPEC)
    last.finish(1.0)
    found = [(row["start"], row["attempt"], row["epoch"], row["reason"][:14]) for row in last.attempts()]
    assert found == [(1, 1, 1, "a worker proce"), (1, 2, 0, "ValueError: ex"), (2, 1, 0, "its driver end")]


def test_an_attempt_that_is_over_writes_nothing(tmp_path: Path) -> None:
    first = Store(tmp_path, 1).run(SPEC.key).begin(SPEC)
    second = first.begin_again()
    for write in (lambda: first.append_history({"epoch": 1}), lambda: first.finish(1.0)):
        with pytest.raises(TakenOver, match="attempt 2 trains it now, this is attempt 1"):
            write()
    second.append_history({"epoch": 1})
    assert second.status == "pending" and len(second.history()) == 1


def worker(error: Exception) -> WorkerGroupError:
    return WorkerGroupError("words", {0: error})


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (worker(WorkerHealthCheckTimeoutError("hanging")), "no sign of life"),
        (worker(WorkerHealthCheckFailedError("failed", ActorDiedError())), "a worker process was killed"),
        (ActorDiedError(), "a process of it was killed"),
        (worker(OutOfMemoryError("Task was killed due to the node running low on memory.")), "ran out of memory"),
        (OutOfMemoryError("in the words of another Ray"), "ran out of memory"),
        (worker(Preempted("in words")), "was taken away, as Ray had been told"),
        (PreemptionError(PreemptionInfo(None, {"node": [0]}), drain_timed_out=True), "was taken away"),
        (worker(FloatingPointError("not finite")), None),
        (ValueError("no such file"), None),
    ],
)
def test_what_is_tried_again(error: Exception, reason: str | None) -> None:
    found = failures.words(error)
    assert reason in found if reason and found else found == reason


def test_only_what_a_cloud_takes_back_is_preempted() -> None:
    gone = ActorDiedError()
    assert not failures.preempted(worker(gone)) and not failures.preempted(worker(FloatingPointError("not finite")))
    assert failures.preempted(worker(Preempted("in words")))
    gone._preempted = True  # as Ray says of an actor of a node that it was told to empty
    assert failures.preempted(worker(WorkerHealthCheckFailedError("failed", gone)))


def test_an_attempt_that_was_free_uses_up_no_try(tmp_path: Path) -> None:
    folder = Store(tmp_path, 1).run(SPEC.key).begin(SPEC)
    for _ in range(5):
        folder.note("its node was taken away", free=True)
        folder = folder.begin_again()
    assert (folder.attempt, folder.tries) == (6, 1)
    folder.note("a worker process was killed")
    assert (folder.begin_again().tries, folder.attempts()[-1].get("free")) == (2, None)
    assert Store(tmp_path, 2).run(SPEC.key).begin(SPEC).tries == 1


STALLS = """
import sys, time
from orchestrator.worker import watchdog
with watchdog.watched(print, seconds=3):
    for _ in range(8):
        time.sleep(0.5)
        watchdog.sign()
    print("alive", flush=True)
    time.sleep(60)
"""


def test_a_worker_without_a_step_ends_itself_and_says_where_it_was() -> None:
    ended = subprocess.run([sys.executable, "-uc", STALLS], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert ended.stdout == "alive\na worker made no step for 3 s\n"
    assert "line 9 in <module>" in ended.stderr

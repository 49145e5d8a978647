"""What a run may lose while it trains: the same start tries it again, says so, and the numbers don't show it.

The driver's own death is in test_resume.py, a node's in test_lost_nodes.py.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.mlflow_view import seen, statuses
from tests.support.processes import of_kind, results, runs, started, wait_for

pytestmark = pytest.mark.long
FLAGS = ("--only", "modalities", "video")
Storage = tuple[Path, Path]


@pytest.fixture
def storages(undisturbed: tuple[Path, str], tmp_path: Path) -> Storage:
    """One to disturb, with the shards of the one that nothing disturbed, and that one."""
    shutil.copytree(undisturbed[0] / "shards", tmp_path / "storage/shards")
    return tmp_path / "storage", undisturbed[0]


def in_attempt(storage: Path, number: int) -> bool:
    """Whether the run's attempt of this number has an epoch behind it."""
    for folder in runs(storage, "pending"):
        spec, history = folder.path / "spec.json", folder.path / "history.jsonl"
        if folder.record("spec")["attempt"] == number and history.exists():
            return history.stat().st_mtime > spec.stat().st_mtime and bool(folder.history())
    return False


def told(storage: Path, log: Path) -> list[str]:
    """Why the only run was tried again, as results, terminal and report say."""
    [run] = results(storage)["runs"].values()
    assert run["status"] == "done"
    said, page = log.read_text(), (storage / "reports/full_grid/report.html").read_text()
    assert "Traceback" not in said and said.count("retried: video seed=0 ") == len(run["retried"])
    for number, row in enumerate(run["retried"], 1):
        assert (row["start"], row["attempt"]) == (1, number) and row["epoch"] >= 1
        assert row["reason"] in said and row["reason"].split(" (")[0] in page
    return [row["reason"] for row in run["retried"]]


def test_processes_that_are_killed(storages: Storage, grid_command: Callable, gave: Callable, tmp_path: Path) -> None:
    """The worker in mid-epoch; then the trial, which is Train's controller too; then a trial whose worker starts."""
    storage, log = storages[0], tmp_path / "log"
    with started(grid_command(storage, *FLAGS), log) as driver:
        for number, kind in enumerate(("worker", "trial"), 1):
            wait_for(lambda n=number: in_attempt(storage, n), driver, log)
            [worker] = of_kind("worker", driver.pid)
            [victim] = of_kind(kind, driver.pid)
            os.kill(victim, signal.SIGKILL)
            # Its place is free again, for the next attempt and all that follows.
            wait_for(lambda w=worker: w not in of_kind("worker", driver.pid), driver, log)
        wait_for(lambda: of_kind("worker", driver.pid), driver, log)
        [worker], [victim] = of_kind("worker", driver.pid), of_kind("trial", driver.pid)
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: worker not in of_kind("worker", driver.pid), driver, log)
        assert driver.wait(400) == 0, log.read_text()
    of_worker, *of_trials = told(storage, log)
    assert of_worker == "a worker process was killed or crashed (out of memory is a usual cause)"
    assert len(of_trials) == 2
    assert all(reason.startswith("its trial process ended without a word") for reason in of_trials)
    assert gave(storage).items() <= gave(storages[1]).items() and len(gave(storage)) == 1
    seen(storage)


def test_a_worker_that_hangs_is_found_in_time(
    storages: Storage, grid_command: Callable, gave: Callable, tmp_path: Path
) -> None:
    """Stopped for good: given up after the two minutes that `orchestrator/trial/run.py` states, ten seconds here."""
    storage, log = storages[0], tmp_path / "log"
    env = {**os.environ, "RAY_TRAIN_WORKER_HEALTH_CHECK_TIMEOUT_S": "10"}
    with started(grid_command(storage, *FLAGS), log, env) as driver:
        wait_for(lambda: in_attempt(storage, 1), driver, log)
        [victim] = of_kind("worker", driver.pid)
        os.kill(victim, signal.SIGSTOP)
        wait_for(lambda: runs(storage, "pending")[0].attempts(), driver, log, seconds=90)
        wait_for(lambda: victim not in of_kind("worker", driver.pid), driver, log)
        assert driver.wait(400) == 0, log.read_text()
    assert told(storage, log) == ["a worker gave no sign of life (it hangs, or its node can't be reached)"]
    assert gave(storage).items() <= gave(storages[1]).items() and len(gave(storage)) == 1
    seen(storage)


def test_out_of_memory_in_one_run(
    undisturbed: tuple[Path, str], start: Callable, gave: Callable, tmp_path: Path
) -> None:
    """A layer of 80 TB: that run fails with the reason, once; the other is done."""
    storage = tmp_path / "storage"
    shutil.copytree(undisturbed[0] / "shards", storage / "shards")
    ended = start(storage, "--only", "modalities", "--set", "imu.model.hidden", "20000000000")
    assert ended.returncode == 1, ended.stdout + ended.stderr
    found = {run["kind"]: run for run in results(storage)["runs"].values()}
    assert {kind: run["status"] for kind, run in found.items()} == {
        "imu": "failed", "video": "done", "fusion": "skipped"
    }  # fmt: skip
    assert "can't allocate memory" in found["imu"]["reason"] and not found["imu"]["retried"]
    assert "can't allocate memory" in ended.stdout and "Traceback" not in ended.stdout + ended.stderr
    [video] = [key for key, run in results(storage)["runs"].items() if run["kind"] == "video"]
    assert gave(undisturbed[0])[video]["metrics"] == runs(storage, "done")[0].record("metrics")
    shown = statuses(storage)
    assert {kind: status for kind, (status, _) in shown.items()} == {"imu": "FAILED", "video": "FINISHED"}
    assert "can't allocate memory" in (shown["imu"][1] or "")


CGROUP = Path("/sys/fs/cgroup/memory")


@pytest.mark.skipif(not os.access(CGROUP / "cgroup.procs", os.W_OK), reason="needs a memory cgroup of its own")
def test_a_worker_that_the_kernel_ends_for_its_memory(
    storages: Storage, grid_command: Callable, gave: Callable, tmp_path: Path
) -> None:
    storage, log = storages[0], tmp_path / "log"
    small = CGROUP / f"faults-{os.getpid()}"
    small.mkdir()
    try:
        (small / "memory.limit_in_bytes").write_text(str(4 << 20))
        with started(grid_command(storage, *FLAGS), log) as driver:
            wait_for(lambda: in_attempt(storage, 1), driver, log)
            [victim] = of_kind("worker", driver.pid)
            (small / "cgroup.procs").write_text(str(victim))
            assert driver.wait(400) == 0, log.read_text()
    finally:
        subprocess.run(["rmdir", str(small)], check=False)
    assert told(storage, log) == ["a worker process was killed or crashed (out of memory is a usual cause)"]
    assert gave(storage).items() <= gave(storages[1]).items() and len(gave(storage)) == 1

"""A real grid cut off in the middle: by Ctrl-C, by Ctrl-C twice, by SIGKILL; each start goes on, and nothing shows.

All that cut it off are minutes long. The usual tests ask of one run that it ends as if it never was cut off, bit for
bit (tests/orchestrator/worker/test_train.py).
"""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from experiments import status, track
from tests.support.mlflow_view import seen, seen_in
from tests.support.processes import done, in_training, started, wait_for
from tests.support.runs.spoilt import cut

FLAGS = ("--only", "modalities", "--seeds", "2")


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("disturbed")


def ctrl_c(process: subprocess.Popen) -> None:
    """What a terminal does: to the driver and to all that it started."""
    os.killpg(process.pid, signal.SIGINT)


def garbled(storage: Path) -> int:
    """Makes what Ray Train and Tune keep of a start unreadable, as an old version's would be: none of it is read."""
    files = [file for file in [*storage.glob("ray/**/*.json"), *storage.glob("tune/**/*")] if file.is_file()]
    for file in files:
        file.write_bytes(b"\x80\x05garbage")
    return len(files)


@pytest.mark.long
def test_ctrl_c_ends_tidily(grid_command: Callable, storage: Path, tmp_path: Path):
    log, began = tmp_path / "log", time.time()
    with started(grid_command(storage, *FLAGS), log) as process:
        wait_for(lambda: in_training(storage, began), process, log)
        ctrl_c(process)
        assert process.wait(120) == 130
    text = log.read_text()
    assert "interrupted; the same command goes on" in text and "Traceback" not in text
    results = json.loads((storage / "reports/full_grid/results.json").read_text())
    assert {cell["status"] for cell in results["cells"]} <= {"done", "pending"}
    assert (storage / "reports/full_grid/report.html").exists()


@pytest.mark.long
def test_status_of_what_was_interrupted(storage: Path, capsys: pytest.CaptureFixture[str]):
    assert status.status(status.Which(storage)) == 0
    text = capsys.readouterr().out
    assert "not at work: ended" in text
    assert "cut off" in text or "done" in text


@pytest.mark.long
def test_ctrl_c_twice_leaves_at_once_and_loses_nothing_done(grid_command: Callable, storage: Path, tmp_path: Path):
    log, before, began = tmp_path / "log", done(storage), time.time()
    with started(grid_command(storage, *FLAGS), log) as process:
        wait_for(lambda: len(done(storage)) > len(before) and in_training(storage, began), process, log)
        ctrl_c(process)
        wait_for(lambda: "stopping" in log.read_text(), process, log)
        ctrl_c(process)
        assert process.wait(20) == 130
    text = log.read_text()
    assert "left at once" in text and "Traceback" not in text
    assert done(storage).items() >= before.items() and len(done(storage)) > len(before)


@pytest.mark.long
def test_killed_it_goes_on_and_gives_what_an_undisturbed_grid_gives(
    grid_command: Callable, start: Callable, gave: Callable, storage: Path, undisturbed: tuple[Path, str],
    tmp_path: Path, capsys: pytest.CaptureFixture[str],
):  # fmt: skip
    log, before, began = tmp_path / "log", done(storage), time.time()
    with started(grid_command(storage, *FLAGS), log) as process:
        wait_for(lambda: len(done(storage)) >= 2 and in_training(storage, began), process, log)
        assert status.status(status.Which(storage)) == 0
        during = capsys.readouterr().out
        assert "training" in during and f"process {process.pid}" in during
        process.send_signal(signal.SIGKILL)
        process.wait(60)
    assert garbled(storage), "Ray has left nothing to garble"
    killed = done(storage)
    assert killed.items() >= before.items() and 2 <= len(killed) < 6

    ended = start(storage, *FLAGS)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert done(storage).items() >= killed.items(), "a run was trained twice"
    assert gave(storage) == gave(undisturbed[0])
    for said in (ended.stdout, (storage / "reports/full_grid/report.html").read_text()):
        assert "its driver ended (Ctrl-C, killed, or its machine was lost)" in said
    status.status(status.Which(storage))
    after = capsys.readouterr().out
    assert re.search(r"^6 done; not at work: ended", after, flags=re.MULTILINE)


@pytest.mark.long
def test_mlflow_has_each_run_once_whatever_happened(storage: Path):
    seen(storage)


@pytest.mark.long
def test_a_server_that_never_saw_the_storage_is_told_all_of_it_once(storage: Path, tmp_path: Path):
    uri = f"sqlite:///{tmp_path / 'other.db'}"
    for _ in range(2):
        assert track.track(track.Where(uri, storage)) == 0
        seen_in(uri, storage)


@pytest.mark.long
def test_runs_of_earlier_starts_are_told_too(storage: Path, tmp_path: Path):
    """As if the last start had asked for less: the results name one run."""
    file = storage / "reports/full_grid/results.json"
    results = json.loads(file.read_text())
    file.write_text(json.dumps(results | {"runs": dict([results["runs"].popitem()])}))
    uri = f"sqlite:///{tmp_path / 'other.db'}"
    assert track.track(track.Where(uri, storage)) == 0
    seen_in(uri, storage)


def test_what_another_recipe_gave_is_not_taken_for_done(start: Callable, undisturbed: tuple[Path, str]):
    for change, count in (((), "2 done"), (("--set", "imu.optimization.lr", "0.003"), "0 done")):
        shown = start(undisturbed[0], "--only", "modalities", "imu", "--seeds", "2", "--dry-run", *change)
        assert shown.returncode == 0 and f"2 cells behind 2 runs, {count}" in shown.stdout, shown.stdout


@pytest.mark.long
def test_what_is_damaged_is_said_and_only_that_is_done_again(
    start: Callable, gave: Callable, undisturbed: tuple[Path, str], tmp_path: Path
):
    """A marker, and the weights of another run; what started from the weights stays as it is."""
    storage = tmp_path / "storage"
    shutil.copytree(undisturbed[0], storage)
    plan = json.loads((storage / "reports/full_grid/results.json").read_text())["runs"]
    imu, video = (next(key for key, run in plan.items() if run["kind"] == kind) for kind in ("imu", "video"))
    damaged = {imu: storage / f"runs/{imu}/done.json", video: storage / f"runs/{video}/model.pt"}
    before = done(storage)
    for file in damaged.values():
        cut(file)
    ended = start(storage, *FLAGS)
    assert ended.returncode == 0 and "Traceback" not in ended.stdout + ended.stderr, ended.stdout + ended.stderr
    for key, file in damaged.items():
        assert f"{plan[key]['name']} ({key}) was done and is trained again: {file}: is " in ended.stdout
    assert ended.stdout.count("is trained again") == 2
    assert {key for key, when in done(storage).items() if when != before[key]} == damaged.keys()
    assert gave(storage) == gave(undisturbed[0])
    seen(storage)

"""A real grid whose storage two drivers want, and one whose storage fills up. Minutes long."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.mlflow_view import seen
from tests.support.small_disk import needs_mount, run_on

ROOT = Path(__file__).parents[3]
FLAGS = ("--only", "modalities", "--seeds", "2")
pytestmark = pytest.mark.long


def test_of_two_drivers_started_at_once_one_trains(
    grid_command: Callable, gave: Callable, undisturbed: tuple[Path, str], tmp_path: Path
) -> None:
    storage = tmp_path / "storage"
    pipe = subprocess.PIPE
    words = grid_command(storage, *FLAGS)
    both = [subprocess.Popen(words, cwd=ROOT, stdout=pipe, stderr=subprocess.STDOUT, text=True) for _ in range(2)]
    said = [process.communicate(timeout=900)[0] for process in both]
    first, second = sorted(zip([process.returncode for process in both], said, strict=True))
    assert (first[0], second[0]) == (0, 2), said
    assert f"error: --storage {storage}: full_grid is at work on it since" in second[1]
    assert gave(storage) == gave(undisturbed[0])
    seen(storage)
    assert len(list((storage / "starts").iterdir())) == 1


# In a namespace of its own: a file system of a few megabytes that fills up once runs are in training.
FILLED = """
import shutil, subprocess, sys, time
from pathlib import Path
storage, kept, words = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
grid = subprocess.Popen(words)
while not list(storage.glob("runs/*/history.jsonl")):
    assert grid.poll() is None
    time.sleep(0.1)
with (storage / "ballast").open("wb", buffering=0) as ballast:
    try:
        while ballast.write(bytes(1 << 16)):
            pass
    except OSError:
        print("full", flush=True)
print("ended", grid.wait(), flush=True)
done = {file: file.stat().st_mtime_ns for file in storage.glob("runs/*/done.json")}
(storage / "ballast").unlink()
print("ended", subprocess.run(words).returncode, flush=True)
assert all(file.stat().st_mtime_ns == when for file, when in done.items()), "a run was trained twice"
shutil.copytree(storage, kept)
"""


@needs_mount
def test_a_disk_that_fills_up_costs_no_more_than_what_it_hit(
    grid_command: Callable, gave: Callable, undisturbed: tuple[Path, str], tmp_path: Path
) -> None:
    storage, kept = tmp_path / "storage", tmp_path / "kept"
    storage.mkdir()
    words = [sys.executable, "-c", FILLED, str(storage), str(kept), *grid_command(storage, *FLAGS)]
    ended = run_on(storage, "600m", words, seconds=1800)
    out = ended.stdout + ended.stderr
    assert ended.returncode == 0, out
    assert "full\n" in out and "ended 1\n" in out and "No space left on device" in out
    assert out.rindex("ended 0\n") > out.index("ended 1\n")
    assert "Traceback" not in out
    assert gave(kept) == gave(undisturbed[0])
    shutil.copytree(kept / "mlartifacts", storage / "mlartifacts")  # where MLflow has them: the file system is gone
    seen(kept)

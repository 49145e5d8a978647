"""Files that are whole or not there, also on a full disk."""

import errno
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from datasets.manifest import Manifest
from orchestrator.storage.run_folder import RunFolder
from orchestrator.storage.store import Store
from tests.support.runs.spoilt import IMU, three_done
from tests.support.small_disk import needs_mount, run_on


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return three_done(tmp_path)


@contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    """The kernel refuses every byte beyond."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_what_cannot_be_written_whole_leaves_what_was_there(store: Store, manifest: Manifest) -> None:
    folder = store.run(IMU.key)
    folder.save("checkpoint", {"epoch": 1})
    before = tree(store.root)
    numbers = pa.table({"probabilities": np.random.default_rng(0).normal(size=10_000)})
    writes: dict[str, Callable[[], object]] = {
        "checkpoint.pt": lambda: folder.save("checkpoint", {"epoch": 2, "weight": torch.zeros(10_000)}),
        "predictions.parquet": lambda: folder.write_predictions(numbers),
        "metrics.json": lambda: folder.write_metrics({"k": "1" * 10_000}),
        "history.jsonl": lambda: folder.append_history({"epoch": 4, "loss": "1" * 10_000}),
        "m.parquet": lambda: manifest.write(store.root / "m.parquet"),
    }
    for name, write in writes.items():
        with no_file_beyond(1000), pytest.raises(OSError, match=rf"can't be written: File too large.*{name}") as full:
            write()
        assert full.value.errno == errno.EFBIG
    after = tree(store.root)
    history = f"runs/{IMU.key}/history.jsonl"
    assert after.pop(history).startswith(before.pop(history))
    assert after == before
    assert [row["epoch"] for row in folder.history()] == [1, 2, 3]


ON_A_FULL_DISK = """
import sys, numpy as np, pyarrow as pa, torch
from pathlib import Path
from orchestrator.storage.run_folder import RunFolder
folder = RunFolder(Path(sys.argv[1]) / "runs" / "ab")
folder.path.mkdir(parents=True)
folder.save("checkpoint", {"epoch": 1})
big = {"epoch": 2, "weight": torch.randn(2_000_000)}
numbers = pa.table({"x": np.random.default_rng(0).normal(size=1_000_000)})
for write in (lambda: folder.save("checkpoint", big), lambda: folder.write_predictions(numbers)):
    try:
        write()
    except OSError as error:
        print(error.errno, error)
folder.fail("OSError: no room", "")  # there is room again for this
print(sorted(file.name for file in folder.path.iterdir()), folder.load("checkpoint"), folder.record("failed")["reason"])
"""


@needs_mount
def test_a_full_file_system(tmp_path: Path) -> None:
    ended = run_on(tmp_path, "1m", [sys.executable, "-c", ON_A_FULL_DISK, str(tmp_path)])
    assert ended.returncode == 0, ended.stderr
    first, second, last = ended.stdout.splitlines()
    for line, name in ((first, "checkpoint.pt"), (second, "predictions.parquet")):
        assert line.startswith("28 [Errno 28] can't be written: No space left on device") and name in line
    assert last == "['checkpoint.pt', 'failed.json'] {'epoch': 1} OSError: no room"


def test_parts_of_writers_that_were_killed_are_swept_up(store: Store) -> None:
    folder = RunFolder(store.root / "runs" / IMU.key)
    left = folder.path / ".checkpoint.pt.0123456789ab.part"
    left.write_bytes(b"half")
    folder.begin(IMU)
    assert not left.exists()

"""Fixtures: whole grids through experiments/full_grid.py, and what their runs gave."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datasets.synthetic import utd_mhad as synthetic

ROOT = Path(__file__).parents[2]
Command = Callable[..., list[str]]
Start = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def grid_recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four subjects, six actions, two trials: 48 clips, for whole grids."""
    return synthetic.write(tmp_path_factory.mktemp("corpus"), subjects=4, trials=2, actions=6)


@pytest.fixture(scope="session")
def grid_command(grid_recordings: Path) -> Command:
    """The words of `python experiments/full_grid.py` on these recordings: command(storage, *flags)."""

    def command(storage: Path, *flags: str) -> list[str]:
        words = [sys.executable, "experiments/full_grid.py", "--corpus", "utd-mhad", "--recordings", grid_recordings]
        return [*map(str, words), "--storage", str(storage), *flags]

    return command


@pytest.fixture(scope="session")
def start(grid_command: Command) -> Start:
    """Runs it to its end."""

    def run(storage: Path, *flags: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(grid_command(storage, *flags), cwd=ROOT, capture_output=True, text=True, timeout=900)

    return run


@pytest.fixture(scope="session")
def undisturbed(start: Start, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The storage of six runs (two seeds of Table 2) that nothing disturbed, and what the terminal showed."""
    storage = tmp_path_factory.mktemp("undisturbed")
    ended = start(storage, "--only", "modalities", "--seeds", "2")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return storage, ended.stdout


@pytest.fixture(scope="session")
def gave() -> Callable[[Path], dict[str, dict[str, Any]]]:
    """All that the runs of a storage gave, by key, less the seconds they took."""
    import pyarrow.parquet as pq

    def read(storage: Path) -> dict[str, dict[str, Any]]:
        found = {}
        for run in sorted((storage / "runs").iterdir()):
            rows = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
            found[run.name] = {
                "history": [{n: v for n, v in row.items() if n not in ("seconds", "ended")} for row in rows]
            }
            if (run / "predictions.parquet").exists():  # a self-supervised run has none
                found[run.name]["metrics"] = json.loads((run / "metrics.json").read_text())
                found[run.name]["predictions"] = pq.read_table(run / "predictions.parquet").to_pydict()
        return found

    return read

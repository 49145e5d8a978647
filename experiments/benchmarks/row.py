"""A line of a benchmark's table, and the corpus that all benchmarks of one start share."""

from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from orchestrator.driver import prepare
from orchestrator.plan.options import Options
from orchestrator.plan.study import Study
from orchestrator.storage.store import Store


@dataclass(frozen=True)
class Row:
    """`ratio` and `against` are None where there is nothing to compare with; then the target is on `ours`."""

    name: str
    of: str
    ours: float
    against: float | None
    unit: str
    ratio: float | None
    target: float
    at_least: bool

    @property
    def met(self) -> bool:
        found = self.ours if self.ratio is None else self.ratio
        return found >= self.target if self.at_least else found <= self.target

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"met": self.met}


@dataclass(frozen=True)
class Place:
    """Recordings in UTD-MHAD's layout (None: the synthetic corpus) and an empty folder for all that is written."""

    recordings: Path | None
    folder: Path
    scale: str = "laptop"

    @cached_property
    def options(self) -> Options:
        corpus = "utd-mhad" if self.recordings else "synthetic"
        return Options(corpus=corpus, recordings=self.recordings, scale=self.scale, storage=self.folder)  # pyright: ignore

    @cached_property
    def study(self) -> Study:
        return self._opened[0]

    @cached_property
    def store(self) -> Store:
        return self._opened[1]

    @cached_property
    def _opened(self) -> tuple[Study, Store]:
        return prepare.open_study(self.options)

    def command(self, experiment: str, *words: str, scale: str | None = None) -> list[str]:
        """Of an experiment on this corpus, in a storage of its own."""
        options = self.options
        recordings = ["--recordings", str(self.study.manifest.root)]
        where = ["--corpus", options.corpus, *recordings, "--scale", scale or self.scale]
        return [f"experiments/{experiment}.py", *where, *words]

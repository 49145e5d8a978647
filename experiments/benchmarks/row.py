"""A line of a benchmark's table, and the corpus that all benchmarks of one start share."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from orchestrator.driver import prepare
from orchestrator.plan.options import Options
from orchestrator.plan.study import Study
from orchestrator.storage.store import Store


@dataclass(frozen=True)
class Row:
    """`ratio` and `against` are None where there is nothing to compare with; then the target is on `ours`. Without a
    target nothing is to be met."""

    name: str
    of: str
    ours: float
    against: float | None
    unit: str
    ratio: float | None
    target: float | None
    at_least: bool

    @property
    def met(self) -> bool | None:
        if self.target is None:
            return None
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
    weights: tuple[str, ...] = ()
    """What I3D starts from where recipe `transfer` is measured, as in --weights."""
    given: Mapping[str, Any] = field(default_factory=dict)
    """Further Options, of the study and of every command."""

    @cached_property
    def options(self) -> Options:
        corpus = "utd-mhad" if self.recordings else "synthetic"
        return Options(corpus=corpus, recordings=self.recordings, scale=self.scale, storage=self.folder, **self.given)  # pyright: ignore

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
        for name, value in self.given.items():
            where += [f"--{name}", *([value] if isinstance(value, str) else value)] if value else []
        return [f"experiments/{experiment}.py", *where, *words]

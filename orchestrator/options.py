"""Options: what to run and where. Corpus, scale, recipe, protocol, seeds, weights and workers decide results."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from orchestrator.spec import Modality


def existing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    return next(p for p in (path, *path.parents) if p.exists())


SECRETS = (
    (re.compile(r"(\w://)[^/@\s]+@"), r"\1***@"),  # user and password of an address
    (re.compile(r"([?&;](?:[\w-]*(?:password|passwd|pwd|token|secret|key))=)[^&;\s'\"]+", re.IGNORECASE), r"\1***"),
)


def without_secrets(text: str) -> str:
    """As it may be shown, recorded and sent: no passwords of a tracking server or its database."""
    for pattern, shown in SECRETS:
        text = pattern.sub(shown, text)
    return text


Only = Literal["modalities", "ratio", "zero_shot", "stages", "fusions", "imu", "video", "fusion"]


@dataclass(frozen=True)
class Options:
    corpus: Literal["synthetic", "utd-mhad"] = "synthetic"
    """Which corpus; the synthetic one is written on first use."""
    recordings: Path | None = None
    """Folder of the recordings (utd-mhad: the one that holds RGB/ and Inertial/)."""
    scale: Literal["demo", "laptop", "paper"] = "demo"
    """Frames, frame size, epochs and weights."""
    recipe: Literal["paper", "tuned"] = "paper"
    """Optimizer, rates, batch, widths and augmentation: Table 1's, or tuned."""
    protocol: Literal[
        "odd-even", "even-odd", "leave-one-subject-out", "trials", "odd-even-validation", "even-odd-validation"
    ] = "odd-even"
    """Which clips train and which are tested; the paper's is odd-even. A validation reads no test subject's clip."""
    seeds: int = 1
    """How many seeds, counted from 0."""
    only: Annotated[tuple[Only, ...], tyro.conf.arg(metavar="WORD")] = ()
    """Only cells of these experiments and of these models, with the runs they need."""
    storage: Path = Path("output")
    """Where shards, runs and reports go; the same storage again goes on where the last start ended."""
    tracking_uri: str | None = None
    """MLflow's address; default: a sqlite file in the storage."""
    address: str | None = None
    """A running Ray to join; default: RAY_ADDRESS, else one is started here."""
    weights: Path | None = None
    """A file of S3D weights in torchvision's naming, instead of the scale's."""
    workers: dict[Modality, int] = field(default_factory=dict)
    """Workers of a run, as in `video 4 fusion 2`, instead of the scale's. A run of more workers is another result."""
    concurrency: int | None = None
    """At most so many runs at once; default: what the CPUs and GPUs hold."""
    skip_bad: bool = False
    """Leave bad recordings out, and say so in the report, instead of ending."""
    dry_run: bool = False
    """Print the plan and end."""

    def check(self) -> None:
        """Raises ValueError for what can't be meant."""
        if self.seeds < 1:
            raise ValueError(f"--seeds {self.seeds}: at least 1.")
        if self.concurrency is not None and self.concurrency < 1:
            raise ValueError(f"--concurrency {self.concurrency}: at least 1.")
        for modality, count in self.workers.items():
            if count < 1:
                raise ValueError(f"--workers {modality} {count}: at least 1.")
        if self.corpus != "synthetic" and self.recordings is None:
            raise ValueError(f"--corpus {self.corpus} needs --recordings DIR, the folder of the recordings.")
        there = existing(self.storage.absolute())
        if not there.is_dir():
            raise ValueError(f"--storage {self.storage}: {there} is a file, not a folder.")

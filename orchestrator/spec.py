"""RunSpec: all that decides one result, frozen; its digest is the run's key. No torch, no ray."""

import hashlib
import json
from functools import cached_property
from typing import Literal

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass

from models.spec import FusionModel, ImuModel, VideoModel

# Raise it when code changes what a spec computes; golden losses in tests/test_train.py move when it should have been.
CODE = 1

FROZEN = ConfigDict(extra="forbid")

Modality = Literal["imu", "video", "fusion"]
MODALITIES: tuple[Modality, ...] = ("imu", "video", "fusion")


@dataclass(frozen=True, config=FROZEN)
class DataSpec:
    """Which clips, and what of them. `hidden_*` are classes (0-based) hidden from that modality.

    Stage 1 never sees clips of its hidden classes; stage 2 sees them with that modality's input zeroed.
    `samples` is None for video runs, `frames` and `size` are None for imu runs: what isn't read decides nothing.
    """

    manifest: str
    protocol: str = "odd-even"
    ratio: float = 1.0
    samples: int | None = None
    frames: int | None = None
    size: int | None = None
    hidden_imu: tuple[int, ...] = ()
    hidden_video: tuple[int, ...] = ()


@dataclass(frozen=True, config=FROZEN)
class Optimization:
    """Adam at a constant rate (Table 1 states rate, weight decay and batch; the rest is open). `batch` is global."""

    lr: float
    weight_decay: float
    batch: int
    epochs: int

    def __post_init__(self) -> None:
        if self.lr <= 0 or self.weight_decay < 0 or self.batch < 2 or self.epochs < 1:
            raise ValueError(f"{self}: lr is above 0, weight_decay not below 0, batch at least 2, epochs at least 1.")


@dataclass(frozen=True, config=FROZEN)
class RunSpec:
    """One training stage. `parents` maps a modality to the key of the stage-1 run that a fusion run starts from.

    Workers and threads are part of it: BatchNorm and rounding depend on them.
    """

    model: ImuModel | VideoModel | FusionModel
    data: DataSpec
    optimization: Optimization
    seed: int
    workers: int = 1
    threads: int = 1
    parents: tuple[tuple[Modality, str], ...] = ()
    code: int = CODE

    @property
    def kind(self) -> Modality:
        return {ImuModel: "imu", VideoModel: "video", FusionModel: "fusion"}[type(self.model)]  # pyright: ignore

    @cached_property
    def key(self) -> str:
        canonical = json.dumps({"kind": self.kind} | ADAPTER.dump_python(self, mode="json"), sort_keys=True)
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
        return " ".join([*words, f"seed={self.seed}"])

    def to_json(self) -> dict:
        return {"key": self.key, "kind": self.kind, "name": self.name, "spec": ADAPTER.dump_python(self, mode="json")}

    @staticmethod
    def from_json(record: dict) -> "RunSpec":
        return ADAPTER.validate_python(_with_model(record), strict=False)


def _with_model(record: dict) -> dict:
    """Pick the model's class by the kind in the record; fields alone don't tell."""
    kinds = {"imu": ImuModel, "video": VideoModel, "fusion": FusionModel}
    return record["spec"] | {"model": TypeAdapter(kinds[record["kind"]]).validate_python(record["spec"]["model"])}


ADAPTER = TypeAdapter(RunSpec)

"""RunSpec: all that decides one result, frozen; its digest is the run's key. No torch, no ray."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, field, fields, is_dataclass
from functools import cache, cached_property
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass

from datasets import modalities
from models.spec import EncoderSpec, NetworkSpec

# Raise it when code changes what a spec computes. The golden losses in tests/orchestrator/worker/test_train.py move
# when it should have been raised.
CODE = 1

WARM_UP = 0.3  # share of a one-cycle schedule

FROZEN = ConfigDict(extra="forbid")


def _inputs(given: Mapping[str, Any]) -> dict[str, Any]:
    return {m: _made(modalities.of(m).Input, value) for m, value in sorted(given.items())}


def _augmentations(given: Mapping[str, Any]) -> dict[str, Any]:
    return {m: _made(modalities.of(m).Augmentation, value) for m, value in sorted(given.items())}


def _made(kind: type, value: Any) -> Any:
    return kind(**value) if isinstance(value, Mapping) else value


@dataclass(frozen=True, config=FROZEN)
class DataSpec:
    """Which clips, and what of them. `recordings` is the digest of what the run reads of its corpus, and no more.

    `inputs` has each modality's Input, `hidden` the classes (0-based) that are hidden from a modality: a run of one
    modality never sees their clips, a run of several sees them with that modality's input zeroed.
    """

    recordings: str
    inputs: Annotated[dict[str, Any], BeforeValidator(_inputs)]
    protocol: str = "odd-even"
    ratio: float = 1.0
    hidden: dict[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True, config=FROZEN)
class Optimization:
    """Adam at a constant rate (Table 1 states rate, weight decay and batch; the rest is open). `batch` is global.

    "adamw" decays weights apart from the gradient; "one-cycle" warms up over three tenths of the steps and then goes
    down to nothing along a cosine; "warm-restarts" goes down along a cosine three times, each twice as long as the one
    before (Loshchilov and Hutter, "SGDR", 2017). "sgd" has a momentum of 0.9, and "step" goes on at a tenth of the rate
    when half of the steps are behind. Of a network without anything to train the epochs are 0.
    """

    lr: float
    weight_decay: float
    batch: int
    epochs: int
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    schedule: Literal["constant", "one-cycle", "warm-restarts", "step"] = "constant"

    def rate(self, done: float) -> float:
        """The learning rate when a share `done` of all steps is behind."""
        if self.schedule == "constant":
            return self.lr
        if self.schedule == "step":
            return self.lr if done < 0.5 else self.lr / 10
        if self.schedule == "warm-restarts":
            at, length = 7 * done, 1
            while at >= length and length < 4:
                at, length = at - length, 2 * length
            return self.lr * 0.5 * (1 + math.cos(math.pi * at / length))
        if done < WARM_UP:
            return self.lr * (0.04 + 0.96 * done / WARM_UP)
        return self.lr * 0.5 * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP)))

    def __post_init__(self) -> None:
        if self.lr <= 0 or self.weight_decay < 0 or self.batch < 2 or self.epochs < 0:
            raise ValueError(f"{self}: lr is above 0, weight_decay and epochs not below 0, batch at least 2.")


@dataclass(frozen=True, config=FROZEN)
class RunSpec:
    """One training stage. `parents` maps a role to the key of the run that has it; a modality is the role of the run
    whose encoder of it goes on here.

    `augmentation` has each modality's own; of the training clips of several modalities a share `missing` lacks one of
    them, either as often (modality dropout). Workers and threads are part of it: BatchNorm and rounding depend on them.
    """

    stage: str
    network: NetworkSpec
    data: DataSpec
    optimization: Optimization
    seed: int
    augmentation: Annotated[dict[str, Any], BeforeValidator(_augmentations)] = field(default_factory=dict)
    missing: float = 0.0
    workers: int = 1
    threads: int = 1
    parents: dict[str, str] = field(default_factory=dict)
    code: int = CODE

    def __post_init__(self) -> None:
        if not 0 <= self.missing <= 1:
            raise ValueError(f"missing={self.missing}: a share of the training clips, from 0 to 1.")
        if self.network.encoders.keys() != self.data.inputs.keys():
            raise ValueError(f"encoders of {[*self.network.encoders]} and inputs of {[*self.data.inputs]}")

    @property
    def modalities(self) -> tuple[str, ...]:
        """In alphabetical order, in which a network has them."""
        return tuple(self.data.inputs)

    @property
    def classifies(self) -> bool:
        """Whether it has predictions and scores."""
        return self.network.classifies

    @cached_property
    def key(self) -> str:
        return hashlib.sha256(json.dumps(dump(self), sort_keys=True).encode()).hexdigest()[:16]

    @property
    def kind(self) -> str:
        """For people: its stage and what it reads, "imu" or "fusion imu+video"."""
        return " ".join([self.stage] + ["+".join(self.modalities)] * (self.modalities != (self.stage,)))

    @property
    def name(self) -> str:
        """For people: what sets this run apart within a study."""
        words = [self.kind]
        fold = self.data.protocol.partition("/")[2]
        words += [f"tested={fold}"] * bool(fold)
        words += [f"ratio={self.data.ratio:g}"] * (self.data.ratio < 1)
        words += [f"{modality}*={len(hidden)}" for modality, hidden in self.data.hidden.items() if hidden]
        head, several = self.network.head, len(self.modalities) > 1
        whole = [m for m in self.modalities if self.network.whole(m)]
        if several and not self.parents:
            words += ["one-stage"] * self.classifies
        elif several and set(self.parents) & set(self.modalities):
            words += ["frozen"] * (not whole and not any(head.finetuned.values()))
            words += ["all-finetuned"] * (len(whole) == len(self.modalities))
        words += [head.join] * (head.join != "concatenation")
        words += ["modality-dropout"] * bool(self.missing)
        return " ".join([*words, f"seed={self.seed}"])

    def to_json(self) -> dict:
        return {"key": self.key, "name": self.name, "spec": dump(self)}

    @staticmethod
    def from_json(record: dict) -> "RunSpec":
        return ADAPTER.validate_python(record["spec"], strict=False)


def dump(value: Any) -> Any:
    """A spec as plain data. A field that comes later states, in its metadata, the value at which it is left out:
    field(default=x, metadata={"left_out_at": x}). So no run that a storage has gets another key."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, EncoderSpec):
        return {"name": value.name, "settings": dump(value.telling)}
    if is_dataclass(value):
        given = ((name, getattr(value, name), left_out) for name, left_out in _fields(type(value)))
        return {name: dump(v) for name, v, left_out in given if v != left_out}
    if isinstance(value, Mapping):
        return {name: dump(v) for name, v in value.items()}
    return [dump(v) for v in value] if isinstance(value, list | tuple) else value


@cache
def _fields(kind: type) -> tuple[tuple[str, Any], ...]:
    """The fields of a dataclass, each with the value at which it is left out; no value equals MISSING."""
    return tuple((each.name, each.metadata.get("left_out_at", MISSING)) for each in fields(kind))


ADAPTER = TypeAdapter(RunSpec)

"""Specs of runs on a made-up corpus, with the paper's heads."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from datasets.modalities import imu, video
from models import encoders
from models.spec import EncoderSpec, NetworkSpec
from orchestrator.plan.recipes import HEADS, SCALES
from orchestrator.plan.spec import DataSpec, Optimization, RunSpec

HOW = Optimization(1e-3, 0, 8, epochs=3)
STAGES = {"imu": ("imu",), "video": ("video",), "fusion": ("imu", "video")}
INPUTS = {"imu": imu.Input(100, 6), "video": video.Input(8, 32, 8, 32)}


def network(*read: str, **head: Any) -> NetworkSpec:
    """`head` changes the HeadSpec."""
    used = replace(HEADS[stage(*read)].of(read), **head)
    return NetworkSpec({m: EncoderSpec(encoders.default(m)) for m in sorted(read)}, used)


def data(*read: str, recordings: str = "5f0c", inputs: Mapping[str, Any] = INPUTS, **how: Any) -> DataSpec:
    return DataSpec(recordings, {m: inputs[m] for m in read}, **how)


def run(*read: str, how: Optimization = HOW, seed: int = 0, **given: Any) -> RunSpec:
    """`given` are fields of the RunSpec, or else of its DataSpec."""
    own = {name: given.pop(name) for name in [*given] if name in RunSpec.__dataclass_fields__}
    made = {"stage": stage(*read), "network": network(*read), "data": data(*read, **given)}
    return RunSpec(**made | {"optimization": how, "seed": seed} | own)


def stage(*read: str) -> str:
    return "fusion" if len(read) > 1 else read[0]


def gpus_of(scale: str) -> dict[str, float]:
    """Of a worker, by stage."""
    return {name: SCALES[scale].gpus_of(read) for name, read in STAGES.items()}

"""A CPU that would emulate bf16 is found before anything is trained there."""

import platform
from dataclasses import replace
from pathlib import Path

import pytest

from models.spec import FusionModel, ImuModel, VideoModel
from orchestrator.cluster import precision
from orchestrator.plan.recipe import RECIPES
from orchestrator.plan.scale import SCALES
from orchestrator.plan.spec import DataSpec, Modality, RunSpec

HALF = VideoModel(precision="bf16")


def todo(kind: Modality, model: ImuModel | VideoModel | FusionModel) -> list[RunSpec]:
    return [RunSpec(model, DataSpec("5f0c"), RECIPES["paper"].optimization[kind], 0)]


def flags() -> str:
    return Path("/proc/cpuinfo").read_text() if platform.machine() == "x86_64" else "avx512bw"


def test_what_the_kernel_says_of_this_processor() -> None:
    assert precision.emulates_bf16() == ("avx512bw" not in flags())


@pytest.mark.parametrize("model", [HALF, FusionModel(imu=ImuModel(), video=HALF)])
def test_runs_in_bf16_on_a_cpu_without_it(model: VideoModel | FusionModel, ray_local: None) -> None:
    kind: Modality = "video" if isinstance(model, VideoModel) else "fusion"
    with_gpus = dict(SCALES["laptop"].gpus) | {kind: 1.0}
    precision.check(todo(kind, model), with_gpus)
    if "avx512bw" in flags():
        precision.check(todo(kind, model), SCALES["laptop"].gpus)
    else:
        with pytest.raises(ValueError, match=f"{kind} runs of this recipe.*--set video.model.precision fp32"):
            precision.check(todo(kind, model), SCALES["laptop"].gpus)


def test_runs_in_fp32_ask_no_node() -> None:
    gpus = SCALES["laptop"].gpus
    precision.check(todo("video", replace(HALF, precision="fp32")), gpus)
    precision.check(todo("imu", ImuModel()), gpus)

"""A CPU that would emulate bf16 is found before anything is trained there."""

import platform
from dataclasses import replace
from pathlib import Path

import pytest

from models.spec import EncoderSpec
from orchestrator.cluster import precision
from tests.support.runs import specs
from tests.support.runs.specs import STAGES, gpus_of

HALF = EncoderSpec("s3d", {"precision": "bf16"})


def flags() -> str:
    return Path("/proc/cpuinfo").read_text() if platform.machine() == "x86_64" else "avx512bw"


def test_what_the_kernel_says_of_this_processor() -> None:
    assert precision.emulates_bf16() == ("avx512bw" not in flags())


@pytest.mark.parametrize("stage", ["video", "fusion"])
def test_runs_in_bf16_on_a_cpu_without_it(stage: str, ray_local: None) -> None:
    network, gpus = specs.network(*STAGES[stage]), gpus_of("laptop")
    half = specs.run(*STAGES[stage], network=replace(network, encoders={**network.encoders, "video": HALF}))
    runs = [half, specs.run(*STAGES[stage])]  # the one that computes in fp32 hides none of its stage
    precision.check(runs, gpus | {stage: 1.0})
    if "avx512bw" in flags():
        precision.check(runs, gpus)
    else:
        with pytest.raises(ValueError, match=f"{stage} runs of this recipe.*--set video.model.precision fp32"):
            precision.check(runs, gpus)


def test_runs_in_fp32_ask_no_node() -> None:
    precision.check([specs.run("video"), specs.run("imu")], gpus_of("laptop"))

"""Whether the CPUs that runs will land on compute in bf16: emulating it takes fifty times as long as fp32."""

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from models.spec import FusionModel, VideoModel
from orchestrator.cluster import Gpus
from orchestrator.plan import Plan
from orchestrator.spec import RunSpec


def check(plan: Plan, gpus: Gpus) -> None:
    """Raises ValueError where runs in bf16 would train on a CPU without it; what a GPU does isn't looked at."""
    wanted = {spec.kind for spec in plan.runs.values() if in_bf16(spec) and not gpus[spec.kind]}
    if not wanted:
        return
    alive = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
    ask = ray.remote(num_cpus=0)(emulates_bf16)
    on = [ask.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote() for node in alive]
    slow = [where for where, emulates in zip(alive.values(), ray.get(on), strict=True) if emulates]
    if slow:
        kinds, nodes = " and ".join(sorted(wanted)), ", ".join(sorted(slow))
        raise ValueError(
            f"{kinds} runs of this recipe train in bf16, and the CPU of {nodes}"
            " has no AVX-512: a step there takes fifty times as long as in fp32. Give --set video.model.precision fp32"
            " (other runs, with other scores), or a machine that has it."
        )


def in_bf16(spec: RunSpec) -> bool:
    model = spec.model.video if isinstance(spec.model, FusionModel) else spec.model
    return isinstance(model, VideoModel) and model.precision == "bf16"


def emulates_bf16() -> bool:
    """Of the CPU of this process. Measured on x86 alone (experiments/LOG.md), so other processors are let through."""
    import torch

    found = torch.cpu.get_capabilities()
    return found["architecture"] == "x86_64" and not found["avx512_bw"]

"""Whether the CPUs that runs will land on compute in bf16: emulating it takes fifty times as long as fp32."""

from collections.abc import Iterable

import ray

from orchestrator.cluster.nodes import on_each
from orchestrator.cluster.placement import Gpus
from orchestrator.plan.spec import RunSpec


def check(todo: Iterable[RunSpec], gpus: Gpus) -> None:
    """Raises ValueError where runs in bf16 would train on a CPU without it; what a GPU does isn't looked at."""
    found = [(spec.stage, m) for spec in todo if not gpus[spec.stage] for m in in_bf16(spec)]
    if not found:
        return
    alive = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
    slow = [alive[node] for node, emulates in on_each(list(alive), emulates_bf16).items() if emulates]
    if slow:
        set_to = " fp32 ".join(f"{m}.model.precision" for m in sorted({m for _, m in found}))
        kinds, nodes = " and ".join(sorted({stage for stage, _ in found})), ", ".join(sorted(slow))
        raise ValueError(
            f"{kinds} runs of this recipe train in bf16, and the CPU of {nodes}"
            f" has no AVX-512: a step there takes fifty times as long as in fp32. Give --set {set_to} fp32"
            " (other runs, with other scores), or a machine that has it."
        )


def in_bf16(spec: RunSpec) -> list[str]:
    """The modalities whose encoders compute in bf16."""
    return [m for m, encoder in spec.network.encoders.items() if encoder.settings.get("precision") == "bf16"]


def emulates_bf16() -> bool:
    """Of the CPU of this process. Measured on x86 alone (experiments/LOG.md), so other processors are let through."""
    import torch

    found = torch.cpu.get_capabilities()
    return found["architecture"] == "x86_64" and not found["avx512_bw"]

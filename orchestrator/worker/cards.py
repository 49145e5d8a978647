"""The GPUs of a machine, as NVIDIA's own command tells them, what a run trains on, and what makes it fit there."""

import platform
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from datasets.modalities import MODALITIES
from orchestrator.plan.spec import RunSpec

if TYPE_CHECKING:
    import torch

ASKED = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits"]
CPUS = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Card:
    name: str
    bytes: int
    driver: str


def here() -> list[Card]:
    """The cards of this machine, whatever CUDA_VISIBLE_DEVICES hides; none where the command is missing or fails."""
    try:
        done = subprocess.run(ASKED, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return read(done.stdout)


def read(said: str) -> list[Card]:
    """Cards of lines such as "NVIDIA A40, 46068, 580.95.05", whose memory is in MiB. Other lines are left out."""
    rows = [[part.strip() for part in line.split(",")] for line in said.splitlines()]
    return [Card(row[0], int(row[1]) << 20, row[2]) for row in rows if len(row) == 3 and row[1].isdigit()]


def words(cards: Sequence[Card]) -> str:
    """Of cards that are alike a phrase: "4 NVIDIA A40 of 48 GB, driver 580.95.05"."""
    return "; ".join(
        f"{count} {card.name} of {card.bytes / 1e9:.0f} GB, driver {card.driver}"
        for card, count in Counter(cards).items()
    )


def used(device: "torch.device") -> dict[str, str]:
    """What a run trains on, `device`, and of a card its `driver`, if that is told."""
    if device.type != "cuda":
        return {"device": processor()}
    import torch

    found = {"device": torch.cuda.get_device_name(device)}
    cards = here()
    return found | ({"driver": cards[0].driver} if cards else {})  # a machine has one driver


def processor() -> str:
    """Its name as Linux has it, else its architecture."""
    lines = CPUS.read_text(errors="replace").splitlines() if CPUS.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def ways_out(spec: RunSpec, share: float = 1.0) -> str:
    """What gives a worker that has this share of a GPU more of its memory, or makes its run smaller. All but a larger
    share make another run of it, with other scores."""
    found = [
        f"--workers {spec.stage} {2 * spec.workers}" if share >= 1 else f"--gpus {spec.stage} {min(1, 2 * share):g}"
    ]
    found.append(f"--set {spec.stage}.optimization.batch {spec.optimization.batch // 2}")
    if {spec.stage, *spec.parents} <= {"fusion", *MODALITIES}:  # the recipes of other methods keep their encoders
        wide = [m for m, e in spec.network.encoders.items() if e.settings.get("precision") == "fp32"]
        found += [f"--set {m}.model.precision bf16" for m in wide]
    return f"Give {' or '.join(found)}."

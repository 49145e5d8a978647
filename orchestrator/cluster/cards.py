"""The GPUs of a machine: their names, their memory and their driver, as NVIDIA's own command tells them."""

import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import ray

from orchestrator.cluster.nodes import on_each

ASKED = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits"]


@dataclass(frozen=True)
class Card:
    name: str
    bytes: int
    driver: str


def here() -> list[Card]:
    """Those of this machine, whatever CUDA_VISIBLE_DEVICES hides; none where the command is missing or fails."""
    try:
        done = subprocess.run(ASKED, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return read(done.stdout)


def read(said: str) -> list[Card]:
    """Of lines such as "NVIDIA A40, 46068, 580.95.05", whose memory is in MiB. A line of another form is left out."""
    rows = [[part.strip() for part in line.split(",")] for line in said.splitlines()]
    return [Card(row[0], int(row[1]) << 20, row[2]) for row in rows if len(row) == 3 and row[1].isdigit()]


def of_cluster() -> list[Card]:
    """Those of all nodes that have GPUs for Ray. A node is asked by a task that takes nothing of it."""
    nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("GPU")]
    return [card for found in on_each(nodes, here).values() for card in found]


def words(cards: Sequence[Card]) -> str:
    """ "4 NVIDIA A40 of 48 GB, driver 580.95.05"."""
    kinds = Counter(cards)
    return ", ".join(
        f"{count} {card.name} of {card.bytes / 1e9:.0f} GB, driver {card.driver}" for card, count in kinds.items()
    )

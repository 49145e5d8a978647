"""How much of a GPU's memory a worker takes, and whether the cards of the cluster have it."""

import json
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from models.encoders import ENCODERS
from models.objectives import objective
from orchestrator.cluster.placement import Gpus
from orchestrator.plan.spec import RunSpec
from orchestrator.worker.cards import Card, ways_out

# Bytes of a clip by backbone, precision and the layer at which training starts; experiments/gpu_memory.py writes it.
FILE = Path(__file__).with_suffix(".json")
LAYERS = 16
# Clips of a batch in a test (orchestrator/worker/train.py:predict).
TESTED = 32
# Of a card's memory the share that tensors may fill. The rest is CUDA's own, cuDNN's work space and what lies between
# tensors: a guess. On an H200 tensors themselves take 1.02 of what is computed here, or less.
USABLE = 0.85


def check(todo: Iterable[RunSpec], gpus: Gpus, cards: Sequence[Card]) -> list[str]:
    """A sentence for each kind of run that the smallest card can't hold, with the ways out. Empty without a card."""
    if not cards:
        return []
    card = min(cards, key=lambda each: each.bytes)
    said = []
    for spec in {spec.kind: spec for spec in todo}.values():
        share = gpus[spec.stage]
        needed, room = worker_bytes(spec), USABLE * card.bytes * share
        if share and needed > room:
            of = f"{share:g} of " if share < 1 else ""
            said.append(
                f"A {spec.kind} run takes about {needed / 1e9:.0f} GB, and of {of}the smallest card"
                f" ({card.name}, {card.bytes / 1e9:.0f} GB) it can use {room / 1e9:.0f} GB. {ways_out(spec, share)}"
            )
    return said


def worker_bytes(spec: RunSpec) -> float:
    """What a worker's tensors take at their highest. An encoder that the table lacks counts for nothing."""
    # A batch is divided among workers, and some objectives see each clip in several variations.
    clips = spec.optimization.batch / spec.workers * objective(spec.network.objective).views
    total = 0.0
    for modality, encoder in spec.network.encoders.items():
        backbone, seen = ENCODERS[encoder.name].backbone, spec.data.inputs[modality]
        if backbone in table():
            start = encoder.frozen if modality not in spec.parents else start_of(spec, modality)
            precision = encoder.settings["precision"]
            total += peak(backbone, precision, seen.frames, seen.size, clips, encoder.frozen, start)
    return total


def start_of(spec: RunSpec, modality: str) -> int:
    """The first layer that trains of an encoder that a parent has trained, as in `models/network.py`."""
    encoder, finetuned = spec.network.encoders[modality], spec.network.head.finetuned.get(modality)
    if spec.network.whole(modality) or finetuned is None:
        return encoder.frozen
    return min((ENCODERS[encoder.name].blocks[name] for name in finetuned), default=LAYERS)


def peak(backbone: str, precision: str, frames: int, size: int, clips: float, frozen: int, start: int) -> float:
    """Bytes of a batch of `clips` or, if that is more, of a test batch; with the weights, and those of Adam.

    What the first `frozen` layers give is read, the layers from there to `start` compute without training, and the
    rest trains. In proportion to frames and pixels.
    """
    of = table()[backbone]
    a_clip = of[precision]
    forward = a_clip["forward"][frozen]
    train = max(a_clip["train"][start] if start < LAYERS else 0, forward if frozen < start else 0)
    scale = frames * size**2 / (of["frames"] * of["size"] ** 2)
    # Weights, gradients and Adam's two moments.
    return scale * max(clips * train, TESTED * forward) + 4 * of["weights"]


@cache
def table() -> dict[str, Any]:
    return json.loads(FILE.read_text())

"""Work out without a GPU how much of its memory a clip takes, and write orchestrator/cluster/memory.json.

python experiments/gpu_memory.py          (5 minutes of a core; prints the table of docker/README.md)

The layers run on fake tensors, which have shapes and no values, under torch's memory tracker. It counts tensors: what
cuDNN takes to work in, and what the allocator can't use between them, comes on top.
"""

import json
import sys

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker

from datasets.files.atomic import write_whole
from models import encoders
from models.encoders.encoder import Encoder
from orchestrator.cluster.memory import FILE, LAYERS, peak

FRAMES, SIZE = 64, 224
PRECISIONS = ("fp32", "bf16")


def measure(name: str, precision: str, start: int, clips: int, frames: int, size: int) -> dict[str, int]:
    """Bytes of a clip, at their highest, of an encoder of videos whose layers from `start` on train.

    `train` is of a forward and a backward pass through these layers, whose weights and gradients aren't counted.
    `forward` is of a forward pass through the same layers that keeps nothing, as in a test.
    """
    encoder = encoders.build(name, encoders.settings_of(name, {"precision": precision}))
    mode = FakeTensorMode()
    with mode:
        x = torch.zeros(clips, frames, size, size, 3, dtype=torch.uint8)
        length = torch.full((clips,), frames)
    turn_fake(encoder, mode)
    with mode, torch.no_grad():
        # Gradients are there from the start, so that the highest moment is that of what clips take.
        for value in encoder.parameters():
            value.grad = torch.zeros_like(value)
        given = (x, length) if start == 0 else (encoder.trunk(x, length, start),)
    found = {}
    for what in ("train", "forward"):
        tracker = MemTracker()
        tracker.track_external(encoder, *given)
        with mode, torch.set_grad_enabled(what == "train"), tracker:
            out = encoder(*given) if start == 0 else encoder.top(*given, start)
            if what == "train":
                out.sum().backward()
            del out
        [most] = tracker.get_tracker_snapshot("peak").values()
        kinds = {str(kind).rpartition(".")[2]: value for kind, value in most.items()}
        found[what] = (kinds["Total"] - kinds["PARAM"] - kinds["BUFFER"] - kinds["GRAD"]) // clips
    return found


def turn_fake(model: nn.Module, mode: FakeTensorMode) -> None:
    """Replace weights and buffers. A module that is built among fake tensors can't change its memory format."""
    for module in model.modules():
        for name, value in module.named_parameters(recurse=False):
            setattr(module, name, nn.Parameter(mode.from_tensor(value.detach()), value.requires_grad))
        for name, value in module.named_buffers(recurse=False):
            setattr(module, name, mode.from_tensor(value))


def parameters(name: str) -> int:
    """Bytes of an encoder's weights."""
    encoder: Encoder = encoders.build(name, encoders.settings_of(name, {}))
    return sum(value.nbytes for value in encoder.parameters())


def main() -> int:
    found = {}
    for name in ("s3d", "i3d"):
        found[name] = {"frames": FRAMES, "size": SIZE, "weights": parameters(name)}
        for precision in PRECISIONS:
            each = [measure(name, precision, start, 1, FRAMES, SIZE) for start in range(LAYERS)]
            found[name][precision] = {what: [one[what] for one in each] for what in ("train", "forward")}
    write_whole(FILE, json.dumps(found) + "\n")
    print(table())
    return 0


def table() -> str:
    """GB of a run of 16 clips of 64x224x224, in Markdown."""
    rows = {
        "stage 1": (0, 0),
        "stage 1, frozen up to `Mixed_4b`": (9, 9),
        "stage 2, `Mixed_4c` and `Mixed_5c`": (0, 9),
        "stage 2, everything": (0, 0),
    }
    kinds = [(name, precision) for name in ("s3d", "i3d") for precision in PRECISIONS]
    lines = ["| run | " + " | ".join(f"{name}, {precision}" for name, precision in kinds) + " |", "|---" * 5 + "|"]
    for row, (frozen, start) in rows.items():
        sizes = [f"{peak(name, precision, FRAMES, SIZE, 16, frozen, start) / 1e9:.1f}" for name, precision in kinds]
        lines.append(f"| {row} | " + " | ".join(sizes) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())

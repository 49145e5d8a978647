"""The training step of each encoder at `paper` scale on a GPU, in fp32, TF32 and bf16.

python -m experiments.benchmarks.gpu_steps [FILE]          (a JSON line for each variant, to FILE too)

It needs torch, torchvision and NumPy, and nothing else of the project's packages: a borrowed GPU may have no more.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from models import encoders
from models.encoders import ENCODERS
from models.encoders.encoder import Encoder

# Dense TFLOPS in fp32, TF32 and bf16, by the start of torch's name of a card. Those of A40 and A100 were compared with
# published specifications; those of H100 and H200 were not, and are half of what is stated with sparsity.
PEAKS = {
    "NVIDIA A40": (37.4, 74.8, 149.7),
    "NVIDIA A100": (19.5, 156, 312),
    "NVIDIA H100": (67, 494.5, 989.5),
    "NVIDIA H100 PCIe": (51, 378, 756.5),
    "NVIDIA H100 NVL": (60, 417.5, 835.5),
    "NVIDIA H200": (67, 494.5, 989.5),
    "NVIDIA H200 NVL": (60, 417.5, 835.5),
}
PRECISIONS = ("fp32", "tf32", "bf16")
CLASSES, WARM_UPS, STEPS = 27, 2, 3
# The layer from which stage 2 trains an encoder, by the paper's fine-tuned blocks.
FINE_TUNED = {name: ENCODERS[name].blocks["Mixed_4c"] for name in ("s3d", "i3d")}
# Seconds: a variant steps for so long at least, and none is begun after the limit. A compilation takes a minute.
MEASURED, LIMIT = 2.0, 200.0


@dataclass(frozen=True)
class Variant:
    encoder: str
    precision: str = "fp32"
    channels_last: bool = False
    compiled: bool = False
    start: int = 0
    """The first layer that trains, as in stage 2; those before it compute without gradients."""

    @property
    def text(self) -> str:
        marks = {
            "channels-last": self.channels_last,
            "compiled": self.compiled,
            f"trained from layer {self.start}": self.start > 0,
        }
        return ", ".join([self.encoder, self.precision, *(name for name, is_so in marks.items() if is_so)])


@dataclass(frozen=True)
class Step:
    """`flops` are of a step, and `bytes` the most memory that it takes, or a test batch, which has twice as many videos
    (of compiled variants the step alone). `share` is of the card's peak in this precision, None where its peak isn't
    known."""

    variant: Variant
    clips: int
    seconds: float
    bytes: int
    flops: int
    share: float | None


@dataclass(frozen=True)
class Scale:
    """Clips of a batch, and the shape of a clip."""

    videos: int = 16
    frames: int = 64
    size: int = 224
    signals: int = 128
    samples: int = 275
    """The longest signal of UTD-MHAD's training subjects; runs pad all signals to the longest."""


def variants() -> Iterator[Variant]:
    """Those of stage 2 and compiled ones, which take longest, last; both in the format that runs use."""
    names = {line.backbone: name for name, line in reversed(ENCODERS.items())}.values()
    films = [name for name in names if is_film(name)]
    for name in sorted(names, key=is_film, reverse=True):
        for precision in PRECISIONS:
            yield from (Variant(name, precision, channels_last=last) for last in (False, True)[: 1 + is_film(name)])
    for name, start in FINE_TUNED.items():
        yield from (Variant(name, precision, channels_last=True, start=start) for precision in PRECISIONS)
    for precision in reversed(PRECISIONS):
        yield from (Variant(name, precision, channels_last=True, compiled=True) for name in films)


def is_film(name: str) -> bool:
    return "precision" in ENCODERS[name].settings


def measure(device: torch.device, limit: float = LIMIT, scale: Scale = Scale()) -> Iterator[Step | str]:  # noqa: B008
    """A Step of each variant, or a sentence where it has none: it doesn't fit, or the time was up."""
    until, flops = time.monotonic() + limit, {}
    usual = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    for variant in variants():
        if time.monotonic() > until:
            yield f"{variant.text}: left out, for the {limit:g} seconds were over"
            continue
        try:
            found = one(variant, device, scale, flops.get((variant.encoder, variant.start)))
        except torch.OutOfMemoryError:
            yield f"{variant.text}: doesn't fit into this card's memory"
        except RuntimeError as error:
            if not variant.compiled:
                raise
            yield f"{variant.text}: torch can't compile it here: {str(error).splitlines()[0]}"
        else:
            flops[variant.encoder, variant.start] = found.flops
            yield found
        finally:
            torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = usual


def one(variant: Variant, device: torch.device, scale: Scale, flops: int | None = None) -> Step:
    """`flops` of a step, where they are known. They are counted without a compilation, which hides them."""
    cuda = device.type == "cuda"
    tf32 = variant.precision != "fp32"
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.manual_seed(0)
    encoder, step = prepare(variant, device, scale)
    if flops is None:
        with FlopCounterMode(display=False) as counter:
            step()
        flops = counter.get_total_flops()
    for _ in range(WARM_UPS):
        step()
    if cuda:
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
    count, began = 0, time.monotonic()
    while count < STEPS or time.monotonic() - began < (MEASURED if cuda else 0):
        step()
        count += 1
        if cuda:
            torch.cuda.synchronize(device)
    seconds = (time.monotonic() - began) / count
    if not variant.compiled:
        test(encoder, variant.encoder, device, scale)
    taken = torch.cuda.max_memory_allocated(device) if cuda else 0
    del encoder, step
    if cuda:
        torch.cuda.empty_cache()
    peak = peak_of(torch.cuda.get_device_name(device), variant.precision) if cuda else None
    clips = scale.videos if is_film(variant.encoder) else scale.signals
    return Step(variant, clips, seconds, taken, flops, flops / seconds / peak if peak else None)


def prepare(variant: Variant, device: torch.device, scale: Scale) -> tuple[Encoder, Callable[[], None]]:
    """The encoder, and what makes a training step of it with one layer on top."""
    name, half = variant.encoder, variant.precision == "bf16"
    precision = {"precision": "bf16"} if half and is_film(name) else {}
    encoder: Encoder = encoders.build(name, encoders.settings_of(name, precision)).to(device)
    x, length, label = (value.to(device) for value in batch(name, scale))
    if is_film(name) and not variant.channels_last:
        encoder.to(memory_format=torch.contiguous_format)
    head = nn.Linear(encoder.width, CLASSES).to(device)
    for layer in encoder.layers[: variant.start]:
        layer.requires_grad_(False)
    trained = [value for value in encoder.parameters() if value.requires_grad]
    optimizer = torch.optim.Adam([*trained, *head.parameters()], lr=1e-4, fused=True)

    def loss() -> Tensor:
        with torch.no_grad():
            seen = encoder.normalise(x, length)
            if is_film(name) and not variant.channels_last:
                seen = seen.contiguous()
            seen = encoder.through(seen, slice(variant.start)) if variant.start else seen
        return F.cross_entropy(head(encoder.top(seen, variant.start).float()), label)

    computed = torch.compile(loss) if variant.compiled else loss

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        # Encoders of videos choose the precision of each layer themselves.
        with torch.autocast(device.type, torch.bfloat16) if half and not is_film(name) else nullcontext():
            value = computed()
        value.backward()
        optimizer.step()

    return encoder, step


@torch.no_grad()
def test(encoder: Encoder, name: str, device: torch.device, scale: Scale) -> None:
    """A forward pass of a test batch, which has twice as many videos."""
    x, length, _ = (value.to(device) for value in batch(name, replace(scale, videos=2 * scale.videos)))
    encoder.eval()(x, length)


def batch(name: str, scale: Scale) -> tuple[Tensor, Tensor, Tensor]:
    """Random input of an encoder, its lengths and labels."""
    settings, film = ENCODERS[name].settings, is_film(name)
    clips, steps = (scale.videos, scale.frames) if film else (scale.signals, settings.get("samples", scale.samples))
    if film:
        x = torch.randint(0, 256, (clips, steps, scale.size, scale.size, 3), dtype=torch.uint8)
    else:
        points = (settings["joints"],) if "joints" in settings else ()
        x = torch.randn(clips, steps, *points, settings["channels"])
    return x, torch.full((clips,), steps), torch.arange(clips) % CLASSES


def peak_of(card: str, precision: str) -> float | None:
    """FLOPS of a card by torch's name of it; None of a card that isn't listed."""
    known = [name for name in PEAKS if card == name or card.startswith((f"{name} ", f"{name}-"))]
    return 1e12 * PEAKS[max(known, key=len)][PRECISIONS.index(precision)] if known else None


def to_json(step: Step) -> dict[str, Any]:
    """With the rates that people compare."""
    rates = {"clips_a_second": step.clips / step.seconds, "gigabytes": step.bytes / 1e9}
    return asdict(step) | {"text": step.variant.text} | rates


def main(words: list[str]) -> int:
    if not torch.cuda.is_available():
        print("gpu: this machine has no GPU that CUDA can use; nothing was measured.", file=sys.stderr)
        return 2
    device = torch.device("cuda", 0)
    about = {"card": torch.cuda.get_device_name(device), "torch": torch.__version__, "cuda": torch.version.cuda}
    lines = [json.dumps(about)]
    print(lines[0], flush=True)
    for found in measure(device):
        lines.append(json.dumps({"without": found} if isinstance(found, str) else to_json(found)))
        print(lines[-1], flush=True)
        for file in words[:1]:
            Path(file).write_text("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

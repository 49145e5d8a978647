"""What a GPU makes of the project: the steps of each encoder, how it is fed, and a grid against the CPU's numbers.

The steps need no Ray and can be measured alone (`experiments/benchmarks/gpu_steps.py`).
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import torch

from datasets import stream
from datasets.stream import Batch
from experiments.benchmarks import gpu_steps
from experiments.benchmarks.commands import run
from experiments.benchmarks.row import Place, Row
from models.encoders import ENCODERS
from orchestrator.cluster.memory import USABLE, peak, table

# Epochs of the tiny grid: one of each stage but the first, whose epochs are short.
EPOCHS = {"imu": 0.05, "video": 0.34, "fusion": 0.25}
FED = 4  # epochs that are read from shards
# How far the loss of a run's first epoch may be from the CPU's. Dropout is off, for either device draws its own; what
# is left is rounding, TF32 in convolutions included. Chosen before any GPU was at hand.
TOLERANCE = 1.02


def measure(place: Place) -> list[Row]:
    """Raises ValueError on a machine without CUDA."""
    if not torch.cuda.is_available():
        raise ValueError("gpu: this machine has no GPU that CUDA can use; nothing was measured.")
    from datasets.synthetic import utd_mhad
    from orchestrator.driver.terminal import tell

    device = torch.device("cuda", 0)
    steps = []
    for found in gpu_steps.measure(device):
        tell(f"gpu: {found}") if isinstance(found, str) else steps.append(found)
    found = rows_of(steps)
    for part, subjects, scale in ((feeding, 8, "paper"), (grid, 2, place.scale)):
        recordings = place.recordings or place.folder / f"people-{subjects}"
        if place.recordings is None:
            utd_mhad.write(recordings, subjects=subjects, trials=1, modalities=("imu", "video"))
        found += part(replace(place, recordings=recordings, scale=scale))
    return found


def rows_of(steps: list[gpu_steps.Step]) -> list[Row]:
    """Clips a second of each variant, against the first fp32 step of the same layers that fitted; and the memory of
    what runs use today, against what the table before a start counts with."""
    plain: dict[tuple[str, int], gpu_steps.Step] = {}
    for step in steps:
        if step.variant.precision == "fp32" and not step.variant.compiled:
            plain.setdefault((step.variant.encoder, step.variant.start), step)
    rows = []
    for step in steps:
        base, rate = plain.get((step.variant.encoder, step.variant.start)), step.clips / step.seconds
        share = "" if step.share is None else f", {step.share:.0%} of the card's peak"
        unit = f"clips/s ({step.bytes / 1e9:.1f} GB{share})"
        against = base and base.clips / base.seconds
        rows.append(Row("gpu", step.variant.text, rate, against, unit, against and rate / against, 0.95, True))
        if counted := counted_bytes(step):
            of = f"{step.variant.text}: memory against the computed"
            rows.append(Row("gpu", of, step.bytes / 1e9, counted / 1e9, "GB", step.bytes / counted, 1 / USABLE, False))
    return rows


def counted_bytes(step: gpu_steps.Step) -> float | None:
    """What the table before a start says of the step. None where it says nothing: of other encoders, and formats and
    precisions that no run uses."""
    variant, scale = step.variant, gpu_steps.Scale()
    backbone = ENCODERS[variant.encoder].backbone
    # A run in fp32 computes its convolutions in TF32, as torch does unless it is told otherwise.
    if backbone not in table() or variant.precision == "fp32" or not variant.channels_last or variant.compiled:
        return None
    precision = "bf16" if variant.precision == "bf16" else "fp32"
    return peak(backbone, precision, scale.frames, scale.size, step.clips, 0, variant.start)


def feeding(place: Place) -> list[Row]:
    """Of stage 1 of videos at `paper` scale, read from shards in every epoch, as a corpus is that memory can't hold."""
    from models.build import build
    from orchestrator.cluster import connect
    from orchestrator.driver import prepare
    from orchestrator.plan.rows import rows_of as rows_read
    from orchestrator.worker.reader import Reader

    device, study = torch.device("cuda", 0), place.study
    spec = study.runs[study.cell("modalities", "video", 0).key]
    spec = replace(spec, optimization=replace(spec.optimization, epochs=FED))
    connect.connect(None)
    prepare.write_shards(study, place.store, [("video", study.inputs["video"])])
    reader = Reader(place.store, study.manifest, spec, device)
    rows, _ = rows_read(spec, study.manifest)
    reader.open("train", rows)
    size, frames = spec.optimization.batch, study.inputs["video"].frames
    model = build(spec.network, len(study.manifest.classes), spec.seed).to(device).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-5, fused=True)

    def step(batch: Batch) -> None:
        loss = model(batch)["loss"] / len(batch["label"])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    resident = next(iter(reader.batches("train", size, order=0)))
    spent(iter([resident]), step, device)  # warms up
    reading, clips = spent(reader.batches("train", size, order=1), lambda batch: None, device)
    sizes = stream.batch_sizes(len(rows), size, 1)
    epochs = range(1, FED + 1)
    fed = [spent(reader.epoch(epoch, sizes, vary=False), step, device)[0] for epoch in epochs]
    bare, trained = spent((resident for _ in sizes), step, device)
    connect.leave()  # the grid starts a Ray of its own
    of, needed = f"{frames} frames of {study.inputs['video'].size}", frames * trained / bare
    first, further = waiting(fed[0], bare), waiting(sum(fed[1:]) / len(fed[1:]), bare)
    return [
        Row("gpu", f"shards to the device, {of}", frames * clips / reading, needed, "frames/s",
            frames * clips / reading / needed, 1.0, True),
        # Its reading begins with it. That of a further epoch begins in the one before.
        Row("gpu", "the GPU waits, S3D in stage 1, first epoch", first, None, "of an epoch", None, None, False),
        Row("gpu", "the GPU waits, S3D in stage 1, further epochs", further, None, "of an epoch", None, 0.1, False),
    ]  # fmt: skip


def spent(batches: Iterable[Batch], step: Callable[[Batch], None], device: torch.device) -> tuple[float, int]:
    """Seconds until the device has done the step of every batch, and how many clips there were."""
    began, clips = time.monotonic(), 0
    for batch in batches:
        step(batch)
        clips += len(batch["label"])
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.monotonic() - began, clips


def waiting(fed: float, bare: float) -> float:
    """The share of an epoch's seconds in which nothing computes; `bare` are those of its steps alone."""
    return max(0.0, 1 - bare / fed)


def grid(place: Place) -> list[Row]:
    """Table 2 at `demo` scale, once on the GPU and once on CPUs: the loss of each run's first epoch."""
    losses = {}
    for name, shares in {"gpu": (0.25, 1, 1), "cpu": (0, 0, 0)}.items():
        storage = place.folder / f"grid-on-{name}"
        run(place.command("modality_comparison", *words(storage, shares), scale="demo"))
        losses[name] = first_losses(storage)
    return compare(losses["gpu"], losses["cpu"])


def words(storage: Path, gpus: Iterable[float]) -> list[str]:
    """Flags of a side. `gpus`, in the order of EPOCHS, change no key, so both sides train the same runs."""
    shares = [word for stage, share in zip(EPOCHS, gpus, strict=True) for word in (stage, f"{share:g}")]
    off = [("imu.model.dropout", "0"), ("video.model.dropout", "0")]
    changed = [*off, *((f"{stage}.times_epochs", str(times)) for stage, times in EPOCHS.items())]
    return ["--set", *sum(changed, ()), "--gpus", *shares, "--storage", str(storage)]


def first_losses(storage: Path) -> dict[str, float]:
    """By the name of each run."""
    from orchestrator.storage.store import Store

    return {folder.spec.name: folder.history()[0]["loss"] for folder in Store(storage).runs()}


def compare(ours: dict[str, float], cpu: dict[str, float]) -> list[Row]:
    """Raises ValueError where one side lacks a run of the other."""
    if ours.keys() != cpu.keys():
        raise ValueError(f"gpu: the two grids trained other runs: {sorted(ours.keys() ^ cpu.keys())}.")
    return [
        Row("gpu", f"{name} against the CPU", loss, cpu[name], "loss of epoch 1",
            max(loss / cpu[name], cpu[name] / loss), TOLERANCE, False)
        for name, loss in ours.items()
    ]  # fmt: skip

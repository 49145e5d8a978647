"""A fusion's steps from stored outputs of the frozen trunk, against the full network; both give the same logits."""

import time
from statistics import median

import torch

from datasets.stream import Batch
from experiments.benchmarks.row import Place, Row
from models.build import build
from models.network import Network
from models.spec import EncoderSpec, NetworkSpec
from orchestrator.plan.recipes import HEADS

CLASSES, ROUNDS, STEPS = 27, 3, 4


def measure(place: Place) -> list[Row]:
    """Milliseconds a clip of 16 frames of 64x64, a batch of 16, two threads."""
    return [compare(frames=16, size=64, clips=16)]


def compare(frames: int, size: int, clips: int) -> Row:
    """Raises RuntimeError where the logits differ by more than 1e-4."""
    torch.set_num_threads(2)
    torch.manual_seed(0)
    batch = {
        "imu": torch.randn(clips, 180, 6),
        "imu_length": torch.full((clips,), 180),
        "video": torch.randint(0, 256, (clips, frames, size, size, 3), dtype=torch.uint8),
        "video_length": torch.full((clips,), frames),
        "label": torch.arange(clips) % CLASSES,
    }
    # Fresh BatchNorm statistics would let nothing through: one pass takes this batch's.
    encoders = {"imu": EncoderSpec("cnn"), "video": EncoderSpec("s3d", {"batchnorm_momentum": 1.0})}
    parents = {m: build(NetworkSpec({m: encoder}, HEADS[m]), CLASSES, 0) for m, encoder in encoders.items()}
    with torch.no_grad():
        parents["video"].logits(batch)
    model = build(NetworkSpec(encoders, HEADS["fusion"].of(encoders)), CLASSES, 0, parents)
    stored = {name: values for name, values in batch.items() if not name.startswith("video")}
    stored |= model.trunk(batch, "video")
    model.eval()
    with torch.no_grad():
        apart = float((model.logits(stored) - model.logits(batch)).abs().max())
    if apart > 1e-4:
        raise RuntimeError(f"the logits from stored outputs differ by {apart:g} from those of the full network")
    model.train()
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-5)
    step(model, optimizer, batch)
    step(model, optimizer, stored)
    ours, against = [], []
    for _ in range(ROUNDS):
        for seconds, given in ((against, batch), (ours, stored)):
            began = time.monotonic()
            for _ in range(STEPS):
                step(model, optimizer, given)
            seconds.append(1000 * (time.monotonic() - began) / STEPS / clips)
    ratio = median(full / less for less, full in zip(ours, against, strict=True))
    return Row("stage2", "steps", median(ours), median(against), "ms a clip", ratio, 3.0, True)


def step(model: Network, optimizer: torch.optim.Optimizer, batch: Batch) -> None:
    loss = model(batch)["loss"] / len(batch["label"])
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()

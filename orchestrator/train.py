"""WORKER: one run's training and test, written out. Ray Train starts `train` in each of the run's workers."""

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import ray
import ray.train
import ray.train.torch
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F

from datasets import shards, splits, stream
from datasets.manifest import Manifest
from datasets.spec import Sampling
from models.build import build, build_fusion
from models.fusion import Fusion
from models.spec import FusionModel
from models.video import VideoClassifier
from orchestrator import metrics
from orchestrator.spec import RunSpec
from orchestrator.store import Store

# A checkpoint at the end of an epoch, but not more often than this; only what comes after the last is trained again.
CHECKPOINT_SECONDS = 15.0
# A worker's training clips (or a frozen trunk's outputs for them) up to this size are read once and kept in memory.
KEEP_BYTES = 4 << 30

Batch = dict[str, Tensor]


def train(config: dict[str, Any]) -> None:
    """Train a run from its last checkpoint, or from the start, to its last epoch; then test it once."""
    store = Store(Path(config["storage"]))
    folder = store.run(config["key"])
    spec = folder.spec
    context = ray.train.get_context()
    rank, workers = context.get_world_rank(), context.get_world_size()
    # Ray gives a worker with one CPU one thread; S3D is twice as fast with two.
    torch.set_num_threads(spec.threads)
    torch.manual_seed(spec.seed)
    device = ray.train.torch.get_device()
    manifest = Manifest.read(store.manifest(spec.data.manifest))
    model = load_model(spec, store, len(manifest.classes)).to(device)
    train_rows, test_rows = rows_of(spec, manifest)
    owned_rows = stream.deal(train_rows, spec.optimization.batch, workers, spec.seed)[rank]
    reader = Reader(store, manifest, Sampling(**config["sampling"]), spec, device)
    reader.open("train", owned_rows)
    reader.open("test", test_rows[rank::workers])
    reader.keep(len(train_rows) // workers, model)

    resumed = folder.load("checkpoint")
    if resumed:
        model.load_state_dict(resumed["model"])
    elif not isinstance(model, Fusion):
        set_statistics(model, spec, reader.batches("train", size=64))
    optimizer = torch.optim.Adam(
        [p for p in model.parameters() if p.requires_grad],
        lr=spec.optimization.lr,
        weight_decay=spec.optimization.weight_decay,
    )
    if resumed:
        optimizer.load_state_dict(resumed["optimizer"])
    if rank == 0:
        folder.cut_history(resumed["epoch"] if resumed else 0)

    network = nn.parallel.DistributedDataParallel(model) if workers > 1 else model
    sizes = stream.batch_sizes(len(train_rows), spec.optimization.batch, workers)
    saved = time.monotonic()
    for epoch in range(resumed["epoch"] + 1 if resumed else 1, spec.optimization.epochs + 1):
        started = time.monotonic()
        network.train()
        # Dropout depends on seed and epoch alone, so an epoch that is resumed is the epoch that was lost.
        torch.manual_seed(int(np.random.default_rng([spec.seed, epoch, rank]).integers(2**62)))
        totals = torch.zeros(3, dtype=torch.float64, device=device)  # loss, right, not finite
        for size, batch in zip(sizes, reader.epoch(epoch, sizes[0]), strict=False):
            logits_BK = network(batch)
            # Weighted by clips: DDP averages over workers, whose shares of a batch may differ (18 over 4).
            loss = F.cross_entropy(logits_BK, batch["label"], reduction="sum") * (workers / size)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            gradients = [p.grad for p in model.parameters() if p.grad is not None]
            finite = torch.isfinite(loss) & torch.isfinite(nn.utils.get_total_norm(gradients))
            optimizer.step()
            right = (logits_BK.argmax(1) == batch["label"]).sum()
            totals += torch.stack([loss.detach() * size / workers, right, ~finite]).double()
        row = summarise(totals, sum(sizes), epoch, time.monotonic() - started)
        if rank == 0:
            folder.append_history(row)
            if time.monotonic() - saved > CHECKPOINT_SECONDS and epoch < spec.optimization.epochs:
                state = {"epoch": epoch, "model": model.state_dict(), "optimizer": optimizer.state_dict()}
                folder.save("checkpoint", state)
                saved = time.monotonic()

    table = predict(model, reader, manifest)
    if rank == 0:
        folder.save("model", {"model": model.state_dict()})
        folder.write_predictions(table)
        hidden = sorted({*spec.data.hidden_imu, *spec.data.hidden_video})
        folder.write_metrics(metrics.score(*_arrays(table), hidden))
    ray.train.report({"epochs": spec.optimization.epochs})


def rows_of(spec: RunSpec, manifest: Manifest) -> tuple[np.ndarray, np.ndarray]:
    """Manifest rows a run trains on and is tested on. Stage 2 keeps the clips of hidden classes."""
    train_rows, test_rows = splits.split(manifest, spec.data.protocol)
    labels = splits.labels(manifest)
    train_rows = splits.subset(train_rows, labels[train_rows], spec.data.ratio, spec.seed)
    if spec.kind != "fusion":
        hidden = (*spec.data.hidden_imu, *spec.data.hidden_video)
        train_rows = splits.without(train_rows, labels[train_rows], hidden)
    return train_rows, test_rows


def summarise(totals: Tensor, clips: int, epoch: int, seconds: float) -> dict[str, Any]:
    """An epoch's row. Raises where a loss or gradient wasn't finite, before a checkpoint could keep it."""
    if dist.is_initialized():
        dist.all_reduce(totals)
    loss, right, broken = totals.tolist()
    if broken or not math.isfinite(loss):
        raise FloatingPointError(
            f"epoch {epoch}: the loss or a gradient isn't finite in {int(broken)} step(s); the learning rate may be too"
            " high or the recordings hold extreme values. Nothing of this epoch was kept."
        )
    return {"epoch": epoch, "loss": loss / clips, "train_top1": right / clips, "seconds": round(seconds, 3)}


def load_model(spec: RunSpec, store: Store, classes: int) -> nn.Module:
    """The network at the start of the run: fresh, from pretrained weights, or from its parents' last epoch."""
    if isinstance(spec.model, FusionModel):
        parents = {}
        for modality, key in spec.parents:
            parent = store.run(key)
            stage1 = build(parent.spec.model, classes)  # pyright: ignore[reportArgumentType]
            state = parent.load("model")
            assert state is not None, f"{key} is released as a parent before its model.pt is there"
            stage1.load_state_dict(state["model"])
            parents[modality] = stage1
        torch.manual_seed(spec.seed)
        return build_fusion(spec.model, parents["imu"], parents["video"], classes)
    model = build(spec.model, classes)
    if isinstance(model, VideoClassifier) and spec.model.weights != "none":  # pyright: ignore
        file = store.weights(spec.model.weights)  # pyright: ignore
        model.load_weights(torch.load(file, map_location="cpu", weights_only=True))
    return model


def set_statistics(model: nn.Module, spec: RunSpec, batches: Iterator[Batch]) -> None:
    """Mean and standard deviation of each channel over the training clips' true samples or frames.

    S3D with pretrained weights keeps the statistics those were trained with.
    """
    if getattr(spec.model, "weights", "none") != "none":
        return
    kind = spec.kind
    sums = torch.zeros(3, len(model.encoder.mean), dtype=torch.float64)  # pyright: ignore
    for batch in batches:
        x, length = batch[kind].cpu(), batch[f"{kind}_length"].cpu()
        inside = torch.arange(x.shape[1])[None] < length[:, None]
        values = x[inside].reshape(-1, x.shape[-1]).double() / (255 if kind == "video" else 1)
        sums += torch.stack([torch.full_like(sums[0], len(values)), values.sum(0), values.square().sum(0)])
    if dist.is_initialized():
        on_device = sums.to(ray.train.torch.get_device())
        dist.all_reduce(on_device)
        sums = on_device.cpu()
    count, total, squares = sums
    mean = total / count
    model.encoder.mean.copy_(mean)  # pyright: ignore
    # A channel that never changes is left as it is.
    std = (squares / count - mean.square()).clamp(min=0).sqrt()
    model.encoder.std.copy_(torch.where(std > 1e-6, std, 1.0))  # pyright: ignore


class Reader:
    """This worker's clips as batches on the device: from memory once they are kept there, else from the shards.

    Either way the order is the same, so what is kept changes no result.
    """

    def __init__(self, store: Store, manifest: Manifest, sampling: Sampling, spec: RunSpec, device: torch.device):
        self.shards = shards.Shards.read(shards.folder_of(store.root, manifest, sampling))
        self.sampling, self.spec, self.device = sampling, spec, device
        self.datasets: dict[str, ray.data.Dataset] = {}
        self.kept: Batch | None = None

    def open(self, name: str, rows: np.ndarray) -> None:
        """The rows this worker reads under a name. Each worker's are a Dataset of its own: nothing is split later."""
        self.datasets[name] = stream.dataset(self.shards, rows, self.spec.kind)

    def keep(self, clips: int, model: nn.Module) -> None:
        """Hold the training clips in memory if they fit; for a fusion, what the frozen trunk makes of their video."""
        fusion = isinstance(model, Fusion)
        size = model.trunk_bytes(self.sampling.frames, self.sampling.size) if fusion else self.sampling.nbytes
        if clips * size > KEEP_BYTES:
            return
        model.eval()
        parts: list[Batch] = []
        for batch in self.batches("train", size=16):
            if fusion:
                batch = {k: v for k, v in batch.items() if not k.startswith("video")} | {"trunk": model.trunk(batch)}
            parts.append({k: v.cpu() for k, v in batch.items()})
        self.kept = {k: torch.cat([part[k] for part in parts]) for k in parts[0]}

    def batches(self, name: str, size: int, order: int | None = None) -> Iterator[Batch]:
        """`order` seeds a shuffle; without it they come in manifest order."""
        if self.kept is not None and name == "train":
            found = stream.from_memory(self.kept, size, order)
        else:
            found = stream.batches(self.datasets[name], size, self.sampling, order)
        for batch in found:
            moved = {k: v.to(self.device, non_blocking=True) for k, v in batch.items()}
            yield self.hide(moved) if name == "train" else moved

    def hide(self, batch: Batch) -> Batch:
        """In stage 2 a hidden class's clips stay, but their starred input has no length left: all of it is padding."""
        for modality, hidden in (("imu", self.spec.data.hidden_imu), ("video", self.spec.data.hidden_video)):
            if hidden and self.spec.kind == "fusion" and f"{modality}_length" in batch:
                is_hidden = torch.isin(batch["label"], torch.tensor(hidden, device=self.device))
                batch[f"{modality}_length"] = batch[f"{modality}_length"].masked_fill(is_hidden, 0)
        return batch

    def epoch(self, epoch: int, global_batch: int) -> Iterator[Batch]:
        """This worker's share of each global batch, in an order that seed, epoch and rank decide."""
        context = ray.train.get_context()
        rank, workers = context.get_world_rank(), context.get_world_size()
        order = int(np.random.default_rng([self.spec.seed, epoch, rank]).integers(2**31))
        return self.batches("train", stream.slices(global_batch, workers)[rank], order)


@torch.no_grad()
def predict(model: nn.Module, reader: Reader, manifest: Manifest) -> pa.Table:
    """Every test clip once, whatever the number of workers: row, clip, subject, label, predicted, probabilities."""
    model.eval()
    parts = []
    for batch in reader.batches("test", size=32):
        probabilities = model(batch).float().softmax(1)
        parts.append((batch["row"].cpu().numpy(), batch["label"].cpu().numpy(), probabilities.cpu().numpy()))
    gathered: list[Any] = [parts]
    if dist.is_initialized():
        gathered = [None] * dist.get_world_size()
        dist.all_gather_object(gathered, parts)
    rows, labels, probabilities = (np.concatenate(c) for c in zip(*(p for ps in gathered for p in ps), strict=True))
    order = np.argsort(rows)
    rows, labels, probabilities = rows[order], labels[order], probabilities[order]
    assert (np.diff(rows) > 0).all(), "a test clip was evaluated twice"
    clips = manifest.clips.take(pa.array(rows))
    return pa.table(
        {
            "clip": clips["clip"],
            "subject": clips["subject"],
            "label": labels,
            "predicted": probabilities.argmax(1),
            "probabilities": list(probabilities),
        }
    )


def _arrays(table: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    return table["label"].to_numpy(), np.stack(table["probabilities"].to_pylist()).astype(np.float32)



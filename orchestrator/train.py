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

from datasets import stream
from datasets.manifest import Manifest
from datasets.spec import Sampling
from models.build import build, build_fusion
from models.spec import FusionModel, VideoModel
from orchestrator.reader import Reader, rows_of
from orchestrator.spec import RunSpec
from orchestrator.store import Store


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
    elif spec.kind != "fusion":
        set_statistics(model, spec, reader.batches("train", size=64))
    how = spec.optimization
    kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = kinds[how.optimizer](trained, lr=how.lr, weight_decay=how.weight_decay)
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
        for step, (size, batch) in enumerate(zip(sizes, reader.epoch(epoch, sizes[0]), strict=False)):
            optimizer.param_groups[0]["lr"] = how.rate((epoch - 1 + step / len(sizes)) / how.epochs)
            logits_BK = network(batch)
            # Weighted by clips: DDP averages over workers, whose shares of a batch may differ (18 over 4).
            loss = F.cross_entropy(logits_BK, batch["label"], reduction="sum", label_smoothing=how.label_smoothing) * (
                workers / size
            )
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
            if time.monotonic() - saved > config["checkpoint_seconds"] and epoch < spec.optimization.epochs:
                state = {"epoch": epoch, "model": model.state_dict(), "optimizer": optimizer.state_dict()}
                folder.save("checkpoint", state)
                saved = time.monotonic()

    settle_batchnorm(model, reader, sizes)
    table = predict(model, reader, manifest)
    if rank == 0:
        folder.save("model", {"model": model.state_dict()})
        folder.write_predictions(table)
    ray.train.report({"epochs": spec.optimization.epochs})


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
    if isinstance(spec.model, VideoModel) and spec.model.weights != "none":
        weights = torch.load(store.weights(spec.model.weights), map_location="cpu", weights_only=True)
        model.load_weights(weights)  # pyright: ignore[reportCallIssue]
    return model


def set_statistics(model: nn.Module, spec: RunSpec, batches: Iterator[stream.Batch]) -> None:
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


@torch.no_grad()
def settle_batchnorm(model: nn.Module, reader: Reader, sizes: list[int]) -> None:
    """Measure the statistics of BatchNorm layers that were trained once more, over the training clips.

    At a constant rate the weights move faster than running averages follow: S3D from scratch after 10 epochs has 50 %
    of its training clips right with a batch's statistics and 4 % with the running ones.
    """
    model.train()
    layers = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.training]
    if not layers:
        return
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # a plain mean over all batches
    for _, batch in zip(
        sizes, reader.epoch(0, sizes[0], vary=False), strict=False
    ):  # shuffled: a batch is of many classes
        model(batch)
    if dist.is_initialized() and dist.get_world_size() > 1:
        for layer in layers:
            for values in (layer.running_mean, layer.running_var):
                assert values is not None
                dist.all_reduce(values)
                values /= dist.get_world_size()


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

"""WORKER: one run's training and test, written out. Ray Train starts `train` in each of the run's workers."""

import math
import time
from collections.abc import Callable, Iterator
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
from models.build import build, build_fusion, restore
from models.imu import inside
from models.spec import FusionModel, ImuModel, VideoModel
from orchestrator.plan.spec import RunSpec
from orchestrator.storage.store import RunFolder, Store
from orchestrator.storage.timings import Clock
from orchestrator.worker.reader import Reader, rows_of


def train(config: dict[str, Any]) -> None:
    """Train a run from its last checkpoint, or from the start, to its last epoch; then test it once."""
    clock, began = Clock(), time.monotonic()
    store = Store(Path(config["storage"]), config.get("start", 0))
    folder = store.run(config["key"], config.get("attempt", 0))
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
    reader = Reader(store, manifest, Sampling(**config["sampling"]), spec, device, config.get("read", "shards"))
    reader.open("train", owned_rows)
    reader.open("test", test_rows[rank::workers])
    reader.keep(len(train_rows) // workers, model)

    resumed = folder.load("checkpoint")
    if resumed:
        restore(model, resumed["model"])
    elif not spec.parents:
        set_statistics(model, spec, lambda: reader.batches("train", size=64))
    how = spec.optimization
    kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    moving = [p for p in model.parameters() if p.requires_grad]
    optimizer = kinds[how.optimizer](moving, lr=how.lr, weight_decay=how.weight_decay)
    if resumed:
        optimizer.load_state_dict(resumed["optimizer"])
    if rank == 0:
        folder.cut_history(resumed["epoch"] if resumed else 0)

    network = nn.parallel.DistributedDataParallel(model, gradient_as_bucket_view=True) if workers > 1 else model
    sizes = stream.batch_sizes(len(train_rows), spec.optimization.batch, workers)
    saved = time.monotonic()
    clock.seconds["set-up"] = saved - began  # pyright: ignore[reportArgumentType]
    for epoch in range(resumed["epoch"] + 1 if resumed else 1, spec.optimization.epochs + 1):
        started = time.monotonic()
        network.train()
        # Dropout depends on seed and epoch alone, so an epoch that is resumed is the epoch that was lost.
        torch.manual_seed(int(np.random.default_rng([spec.seed, epoch, rank]).integers(2**62)))
        totals = torch.zeros(3, dtype=torch.float64, device=device)  # loss, right, not finite
        batches = clock.waiting("data", reader.epoch(epoch, sizes[0]))
        for step, (size, batch) in enumerate(zip(sizes, batches, strict=False)):
            optimizer.param_groups[0]["lr"] = how.rate((epoch - 1 + step / len(sizes)) / how.epochs)
            totals += update(network, optimizer, batch, how.label_smoothing, size, workers)
        row = summarise(totals, sum(sizes), epoch, time.monotonic() - started)
        if rank == 0:
            folder.append_history(row)
            if time.monotonic() - saved > config["checkpoint_seconds"] and epoch < spec.optimization.epochs:
                state = {"epoch": epoch, "model": model.state_dict(), "optimizer": optimizer.state_dict()}
                with clock.on("checkpoints"):
                    folder.save("checkpoint", state)
                saved = time.monotonic()

    passed = time.monotonic() - began
    clock.seconds["steps"] = passed - sum(clock.seconds.values())  # pyright: ignore[reportArgumentType]
    with clock.on("evaluation"):
        settle_batchnorm(model, reader, sizes)
        table = predict(model, reader, manifest)
    if rank == 0:
        folder.write_times(clock.read())
        folder.save("model", {"model": model.state_dict()})
        folder.write_predictions(table)
    ray.train.report({"epochs": spec.optimization.epochs})


def update(
    network: nn.Module, optimizer: torch.optim.Optimizer, batch: stream.Batch, smoothing: float, size: int, workers: int
) -> Tensor:
    """One step: loss, clips right, and whether something wasn't finite. On the device; nothing here waits for it."""
    logits_BK = network(batch)
    # Weighted by clips: DDP averages over workers, whose shares of a batch of `size` may differ (18 over 4).
    loss = F.cross_entropy(logits_BK, batch["label"], reduction="sum", label_smoothing=smoothing) * (workers / size)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    finite = torch.isfinite(loss) & torch.isfinite(nn.utils.get_total_norm(gradients))
    optimizer.step()
    right = (logits_BK.argmax(1) == batch["label"]).sum()
    return torch.stack([loss.detach() * size / workers, right, ~finite]).double()


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
    return {
        "epoch": epoch,
        "loss": loss / clips,
        "train_top1": right / clips,
        "seconds": round(seconds, 3),
        "ended": time.time(),
    }


def load_model(spec: RunSpec, store: Store, classes: int) -> nn.Module:
    """The network at the start of the run: fresh, from pretrained weights, or from its parents' last epoch."""
    if not isinstance(spec.model, FusionModel):
        return fresh(spec.model, store, classes)
    if spec.parents:
        stage1 = {modality: trained(store.run(key), classes) for modality, key in spec.parents}
    else:
        # One stage, from what stage 1 starts from: each encoder is drawn with the seed anew.
        stage1 = {}
        for modality in ("imu", "video"):
            torch.manual_seed(spec.seed)
            stage1[modality] = fresh(getattr(spec.model, modality), store, classes)
    torch.manual_seed(spec.seed)
    return build_fusion(spec.model, stage1["imu"], stage1["video"], classes)


def fresh(spec: ImuModel | VideoModel, store: Store, classes: int) -> nn.Module:
    model = build(spec, classes)
    if isinstance(spec, VideoModel) and spec.weights != "none":
        weights = torch.load(store.weights(spec.weights), map_location="cpu", weights_only=True)
        model.load_weights(weights)  # pyright: ignore[reportCallIssue]
    return model


def trained(parent: RunFolder, classes: int) -> nn.Module:
    """A stage-1 network as its run left it."""
    model = build(parent.spec.model, classes)  # pyright: ignore[reportArgumentType]
    state = parent.load("model")
    assert state is not None, f"{parent.key} is released as a parent before its model.pt is there"
    restore(model, state["model"])
    return model


def set_statistics(model: nn.Module, spec: RunSpec, batches: Callable[[], Iterator[stream.Batch]]) -> None:
    """Mean and standard deviation of each channel over the training clips' true samples or frames.

    S3D with pretrained weights keeps the statistics those were trained with.
    """
    if isinstance(spec.model, FusionModel):
        encoders = {"imu": (model.imu, spec.model.imu), "video": (model.video, spec.model.video)}
    else:
        encoders = {spec.kind: (model.encoder, spec.model)}
    for modality, (encoder, how) in encoders.items():
        if getattr(how, "weights", "none") == "none":
            mean, std = statistics(modality, batches())
            encoder.mean.copy_(mean)  # pyright: ignore
            encoder.std.copy_(std)  # pyright: ignore


def statistics(modality: str, batches: Iterator[stream.Batch]) -> tuple[Tensor, Tensor]:
    """Over all workers' clips."""
    sums = torch.zeros(3, 1, dtype=torch.float64)
    for batch in batches:
        x, length = batch[modality].cpu(), batch[f"{modality}_length"].cpu()
        values = x[inside(x.shape[1], length)].reshape(-1, x.shape[-1]).double() / (255 if modality == "video" else 1)
        count = torch.isfinite(values).sum(0)  # a sensor without a sample there counts for nothing
        values = values.nan_to_num(nan=0.0)
        sums = sums + torch.stack([count, values.sum(0), values.square().sum(0)])
    if dist.is_initialized():
        on_device = sums.to(ray.train.torch.get_device())
        dist.all_reduce(on_device)
        sums = on_device.cpu()
    count, total, squares = sums
    count = count.clamp(min=1)
    mean = total / count
    # A channel that never changes is left as it is.
    std = (squares / count - mean.square()).clamp(min=0).sqrt()
    return mean, torch.where(std > 1e-6, std, 1.0)


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
    """Every test clip once, whatever the number of workers: row, clip, subject, label, predicted, probabilities.

    Of a fusion also what it predicts of the same clip where a modality is missing: without_imu, without_video.
    """
    model.eval()
    parts = []
    for batch in reader.batches("test", size=32):
        columns = {"row": batch["row"], "label": batch["label"]}
        if reader.spec.kind == "fusion":
            batch = batch | model.trunk(batch)  # pyright: ignore
            blank = model.blank(*batch["video"].shape[1:3])  # pyright: ignore
            missing = {name: values.expand_as(batch[name]) for name, values in blank.items()}
            columns["without_video"] = model(batch | missing).argmax(1)
            columns["without_imu"] = model(batch | {"imu_length": torch.zeros_like(batch["imu_length"])}).argmax(1)
        columns["probabilities"] = model(batch).float().softmax(1)
        parts.append({name: values.cpu().numpy() for name, values in columns.items()})
    gathered: list[Any] = [parts]
    if dist.is_initialized():
        gathered = [None] * dist.get_world_size()
        dist.all_gather_object(gathered, parts)
    whole = {name: np.concatenate([part[name] for parts in gathered for part in parts]) for name in parts[0]}
    order = np.argsort(whole["row"])
    whole = {name: values[order] for name, values in whole.items()}
    rows, probabilities = whole.pop("row"), whole.pop("probabilities")
    assert (np.diff(rows) > 0).all(), "a test clip was evaluated twice"
    clips = manifest.clips.take(pa.array(rows))
    about = [name for name in ("clip", "subject", "instance") if name in clips.column_names]
    columns = {name: clips[name] for name in about} | whole | {"predicted": probabilities.argmax(1)}
    return pa.table(columns | {"probabilities": list(probabilities)})

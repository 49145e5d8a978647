"""WORKER: one run's training and test, written out. Ray Train starts `train` in each of the run's workers."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
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

from datasets import modalities, stream
from datasets.manifest import Manifest
from models.build import build
from models.encoders.encoder import inside
from models.network import Network
from orchestrator.plan.rows import rows_of
from orchestrator.plan.spec import RunSpec
from orchestrator.storage import pretrained
from orchestrator.storage.metrics import lacking
from orchestrator.storage.run_folder import RunFolder
from orchestrator.storage.store import Store
from orchestrator.storage.timings import Clock
from orchestrator.worker import cards, spot
from orchestrator.worker.reader import Reader


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
    device = ray.train.torch.get_device()
    manifest = Manifest.read(store.manifest(spec.data.recordings))
    model = load_model(spec, store, len(manifest.classes)).to(device)
    train_rows, test_rows = rows_of(spec, manifest)
    owned_rows = stream.deal(train_rows, spec.optimization.batch, workers, spec.seed)[rank]
    reader = Reader(store, manifest, spec, device, config.get("read", "shards"), rank)
    reader.open("train", owned_rows)
    reader.open("test", test_rows[rank::workers])
    reader.keep(len(train_rows) // workers, model)

    resumed = folder.load("checkpoint")
    if resumed:
        model.load_state_dict(resumed["model"])
    else:
        set_statistics(model, spec, lambda: reader.batches("train", size=64))
    how = spec.optimization
    sgd = partial(torch.optim.SGD, momentum=0.9)
    kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": sgd}
    moving = [p for p in model.parameters() if p.requires_grad]
    # A network without anything to train has no epochs, and an optimizer of nothing would be refused.
    optimizer = kinds[how.optimizer](moving or [torch.zeros(1)], lr=how.lr, weight_decay=how.weight_decay, fused=True)
    if resumed:
        optimizer.load_state_dict(resumed["optimizer"])
    if rank == 0:
        folder.cut_history(resumed["epoch"] if resumed else 0)

    apart = workers > 1 and moving
    network = nn.parallel.DistributedDataParallel(model, gradient_as_bucket_view=True) if apart else model
    sizes = stream.batch_sizes(len(train_rows), spec.optimization.batch, workers)
    saved = time.monotonic()
    clock.seconds["set-up"] = saved - began  # pyright: ignore[reportArgumentType]
    for epoch in range(resumed["epoch"] + 1 if resumed else 1, spec.optimization.epochs + 1):
        started = time.monotonic()
        network.train()
        # Dropout depends on seed and epoch alone, so an epoch that is resumed is the epoch that was lost.
        torch.manual_seed(int(np.random.default_rng([spec.seed, epoch, rank]).integers(2**62)))
        totals: dict[str, Tensor] = {}
        batches = clock.waiting("data", reader.epoch(epoch, sizes))
        for step, (size, batch) in enumerate(zip(sizes, batches, strict=True)):
            optimizer.param_groups[0]["lr"] = how.rate((epoch - 1 + step / len(sizes)) / how.epochs)
            for name, value in update(network, optimizer, batch, size, workers).items():
                totals[name] = totals.get(name, 0.0) + value
        row = summarise(totals, sum(sizes), epoch, time.monotonic() - started)
        going_on = epoch < spec.optimization.epochs
        leaving = going_on and spot.noticed(config.get("spot", False))
        if rank == 0:
            folder.append_history(row)
            if going_on and (leaving or time.monotonic() - saved > config["checkpoint_seconds"]):
                state = {"epoch": epoch, "model": model.state_dict(), "optimizer": optimizer.state_dict()}
                with clock.on("checkpoints"):
                    folder.save("checkpoint", state)
                saved = time.monotonic()
        if leaving:
            spot.leave()

    passed = time.monotonic() - began
    clock.seconds["steps"] = passed - sum(clock.seconds.values())  # pyright: ignore[reportArgumentType]
    with clock.on("evaluation"):
        settle_batchnorm(model, reader, sizes)
        table = predict(model, reader, manifest) if spec.classifies else None
    if rank == 0:
        folder.write_times(clock.read())
        folder.write_device(cards.used(device))
        folder.write_network(sum(p.numel() for p in model.parameters()))
        folder.save("model", {"model": model.state_dict()})
        if table is not None:
            folder.write_predictions(table)
    ray.train.report({"epochs": spec.optimization.epochs})


def update(
    network: nn.Module, optimizer: torch.optim.Optimizer, batch: stream.Batch, size: int, workers: int
) -> dict[str, Tensor]:
    """One step: the sums over clips that the network returns, and whether something wasn't finite, `broken`.

    On the device; nothing here waits for it.
    """
    found = network(batch)
    # Weighted by clips: DDP averages over workers, whose shares of a batch of `size` may differ (18 over 4).
    loss = found["loss"] * (workers / size)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    finite = torch.isfinite(loss) & torch.isfinite(nn.utils.get_total_norm(gradients))
    optimizer.step()
    found |= {"loss": loss.detach() * size / workers, "broken": ~finite}
    return {name: value.detach().double() for name, value in found.items()}


def summarise(totals: dict[str, Tensor], clips: int, epoch: int, seconds: float) -> dict[str, Any]:
    """An epoch's row. Raises where a loss or gradient wasn't finite, before a checkpoint could keep it."""
    sums = torch.stack([*totals.values()])
    if dist.is_initialized():
        dist.all_reduce(sums)
    found = dict(zip(totals, sums.tolist(), strict=True))
    if (broken := found.pop("broken")) or not math.isfinite(found["loss"]):
        raise FloatingPointError(
            f"epoch {epoch}: the loss or a gradient isn't finite in {int(broken)} step(s); the learning rate may be too"
            " high or the recordings hold extreme values. Nothing of this epoch was kept."
        )
    row = {name: value / clips for name, value in found.items()}
    return {"epoch": epoch, **row, "seconds": round(seconds, 3), "ended": time.time()}


def load_model(spec: RunSpec, store: Store, classes: int) -> Network:
    """The network at the start of the run: fresh, from pretrained weights, or from its parents' last epoch."""
    parents = {role: trained(store, store.run(key), classes) for role, key in spec.parents.items()}
    model = build(spec.network, classes, spec.seed, parents)
    for modality, encoder in spec.network.encoders.items():
        if encoder.weights != "none" and modality not in parents:
            model.encoder(modality).load_weights(pretrained.read(store.weights(encoder)))
    return model


def trained(store: Store, folder: RunFolder, classes: int) -> Network:
    """A network as its run left it."""
    model, state = shaped(store, folder.spec, classes), folder.load("model")
    assert state is not None, f"{folder.key} is released as a parent before its model.pt is there"
    model.load_state_dict(state["model"])
    return model


def shaped(store: Store, spec: RunSpec, classes: int) -> Network:
    """A network of a run, its weights as they were drawn. It holds a parent only where that isn't an encoder's."""
    others = {role: key for role, key in spec.parents.items() if role not in spec.network.encoders}
    parents = {role: shaped(store, store.run(key).spec, classes) for role, key in others.items()}
    return build(spec.network, classes, spec.seed, parents)


def set_statistics(model: Network, spec: RunSpec, batches: Callable[[], Iterator[stream.Batch]]) -> None:
    """Mean and standard deviation of each channel over the training clips' true samples or frames.

    An encoder with pretrained weights keeps the statistics those were trained with, and so does a parent's.
    """
    for modality, encoder in spec.network.encoders.items():
        if encoder.weights == "none" and modality not in spec.parents:
            mean, std = statistics(modality, batches())
            model.encoder(modality).mean.copy_(mean)
            model.encoder(modality).std.copy_(std)


def statistics(modality: str, batches: Iterator[stream.Batch]) -> tuple[Tensor, Tensor]:
    """Over all workers' clips."""
    sums = torch.zeros(3, 1, dtype=torch.float64)
    for batch in batches:
        x, length = batch[modality].cpu(), batch[f"{modality}_length"].cpu()
        values = modalities.of(modality).values(x[inside(x.shape[1], length)].reshape(-1, x.shape[-1]).double())
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
    # Shuffled: a batch is of many classes.
    for batch in reader.epoch(0, sizes, vary=False):
        model(batch)
    if dist.is_initialized() and dist.get_world_size() > 1:
        for layer in layers:
            for values in (layer.running_mean, layer.running_var):
                assert values is not None
                dist.all_reduce(values)
                values /= dist.get_world_size()


@torch.no_grad()
def predict(model: Network, reader: Reader, manifest: Manifest) -> pa.Table:
    """Every test clip once, whatever the number of workers: row, clip, subject, label, predicted, probabilities.

    Of several modalities also what is predicted of the same clip where some are missing: without_A, without_A_B. Each
    encoder sees a clip once, and a missing recording once for each size of a batch.
    """
    model.eval()
    names, parts = reader.spec.modalities, []
    missed: dict[int, dict[str, stream.Batch]] = {}
    for batch in reader.batches("test", size=32):
        columns, size = {"row": batch["row"], "label": batch["label"]}, len(batch["row"])
        seen = {name: model.encode(batch, name) for name in names}
        if len(names) > 1 and size not in missed:
            missed[size] = {name: model.encode(missing(model, reader, batch, name), name) for name in names}
        for column, without in lacking(names).items():
            encoded = seen | {name: missed[size][name] for name in without}
            columns[column] = model.logits(joined(batch, encoded)).argmax(1)
        columns["probabilities"] = model.logits(joined(batch, seen)).float().softmax(1)
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


def missing(model: Network, reader: Reader, batch: stream.Batch, name: str) -> stream.Batch:
    """A batch of as many clips, all of which lack their recording of a modality."""
    blank = reader.blank[name] if name in reader.frozen else model.blank(batch[name], name)
    return {at: value.expand(len(batch["row"]), *value.shape[1:]) for at, value in blank.items()}


def joined(batch: stream.Batch, encoded: Mapping[str, stream.Batch]) -> stream.Batch:
    """The batch with what the encoders made of each modality."""
    return batch | {at: value for part in encoded.values() for at, value in part.items()}

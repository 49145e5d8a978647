"""What a worker reads: the rows of its run, as batches on its device."""

from collections.abc import Iterator
from typing import Literal

import numpy as np
import ray
import ray.train
import torch

from datasets import modalities, shards, splits, stream
from datasets.manifest import Manifest
from datasets.stream import Batch
from models.network import Network
from models.objectives import objective
from orchestrator.plan.spec import RunSpec
from orchestrator.storage.store import Store
from orchestrator.worker import watchdog

# A worker's training clips (or a frozen trunk's outputs for them) up to this size are read once and kept in memory.
KEEP_BYTES = 4 << 30


def rows_of(spec: RunSpec, manifest: Manifest) -> tuple[np.ndarray, np.ndarray]:
    """Manifest rows a run trains on and is tested on. A run of several modalities keeps the clips of hidden classes."""
    train_rows, test_rows = splits.split(manifest, spec.data.protocol)
    labels, instances = splits.labels(manifest), splits.instances(manifest)
    train_rows = splits.subset(train_rows, labels[train_rows], spec.data.ratio, spec.seed, instances[train_rows])
    if len(spec.modalities) == 1:
        train_rows = splits.without(train_rows, labels[train_rows], hidden_classes(spec))
    return train_rows, test_rows


def hidden_classes(spec: RunSpec) -> list[int]:
    """From any modality."""
    return [label for hidden in spec.data.hidden.values() for label in hidden]


def see(batch: Batch, spec: RunSpec, vary: bool) -> Batch:
    """What the network sees of clips as they are stored; varied where they are trained on."""
    return arrived(sent(batch, spec, vary), spec)


def sent(batch: Batch, spec: RunSpec, vary: bool) -> Batch:
    """The part of `see` that draws and looks at values, before the device. Frames stay uint8."""
    for name, given in spec.data.inputs.items():
        if name in batch:
            how = spec.augmentation.get(name) if vary else None
            x, length = modalities.of(name).see(batch[name], batch[f"{name}_length"], given, how)
            batch = batch | {name: x, f"{name}_length": length}
    return batch


def arrived(batch: Batch, spec: RunSpec) -> Batch:
    """The rest of it, which is arithmetic on whole batches, on the device; of a clip's second variation too."""
    for name, given in spec.data.inputs.items():
        for view in (name, f"{name}:2"):
            if view in batch:
                length = batch[view.replace(name, f"{name}_length")]
                batch = batch | {view: modalities.of(name).arrive(batch[view], length, given)}
    return batch


def varied(spec: RunSpec, modality: str) -> bool:
    """Whether training clips of a modality vary from epoch to epoch."""
    how = spec.augmentation.get(modality)
    return how is not None and any(vars(how).values())


class Reader:
    """This worker's clips as batches on the device: from memory once they are kept there, else from `read`.

    Nothing waits for a GPU: what depends on values is done before a batch goes there, in one copy from pinned memory
    that runs behind the steps before it.

    What is kept depends on the run alone, and shards and recordings give the same batches.
    """

    def __init__(
        self,
        store: Store,
        manifest: Manifest,
        spec: RunSpec,
        device: torch.device,
        read: Literal["shards", "recordings"] = "shards",
    ):
        self.sources: dict[str, shards.Shards | shards.Recordings] = {}
        for name, given in spec.data.inputs.items():
            if read == "shards":
                self.sources[name] = shards.Shards.read(shards.folder_of(store.root, manifest, name, given))
            else:
                self.sources[name] = shards.Recordings.of(manifest, name, given)
        self.shapes = {name: modalities.of(name).shape(given) for name, given in spec.data.inputs.items()}
        self.labels, self.spec, self.device = splits.labels(manifest), spec, device
        self.views = objective(spec.network.objective).views
        self.datasets: dict[str, ray.data.Dataset] = {}
        self.kept: Batch | None = None
        self.blank: dict[str, Batch] = {}  # by modality what its trunk makes of a missing recording

    def open(self, name: str, rows: np.ndarray) -> None:
        """The rows this worker reads under a name. Each worker's are a Dataset of its own: nothing is split later."""
        self.datasets[name] = stream.dataset(self.sources, rows, self.labels, self._bytes_of_clip({}))

    def keep(self, clips: int, model: Network) -> None:
        """Hold the training clips in memory if they fit; where a trunk is frozen, what it makes of them.

        Where clips vary from epoch to epoch so does what the trunk makes of them, and they are kept as they are.
        """
        model.eval()
        trunks = [name for name in model.frozen if not varied(self.spec, name)]
        blank = {name: model.blank(self._unseen(name), name) for name in trunks}
        if clips * self._bytes_of_clip(blank) > KEEP_BYTES:
            return
        parts: list[Batch] = []
        for batch in self._stored("train", size=16, order=None):
            if trunks:
                seen = self.to_device(self.hide(sent(batch, self.spec, vary=False)))
                batch = {k: v for k, v in batch.items() if k.removesuffix("_length") not in trunks}
                for name in trunks:
                    batch |= model.trunk(seen, name)
            parts.append({k: v.cpu() for k, v in batch.items()})
        self.kept = {k: torch.cat([part[k] for part in parts]) for k in parts[0]}
        self.blank = blank

    def _unseen(self, name: str) -> torch.Tensor:
        """(1, ...) of what the network sees of a modality, of nothing."""
        padding, _ = modalities.of(name).missing(self.spec.data.inputs[name])
        batch = {name: torch.from_numpy(padding)[None], f"{name}_length": torch.tensor([0])}
        return self.to_device(sent(batch, self.spec, vary=False))[name]

    def _bytes_of_clip(self, blank: dict[str, Batch]) -> int:
        stored = {name: modalities.of(name).bytes(given) for name, given in self.spec.data.inputs.items()}
        return sum((stored | {name: made[f"{name}_trunk"].nbytes for name, made in blank.items()}).values())

    def _stored(self, name: str, size: int, order: int | None) -> Iterator[Batch]:
        """Batches as they are stored or kept, not on the device yet."""
        if self.kept is not None and name == "train":
            found = stream.from_memory(self.kept, size, order)
        else:
            window = min(stream.SHUFFLE_CLIPS, stream.SHUFFLE_BYTES // self._bytes_of_clip({}))
            found = stream.batches(self.datasets[name], size, self.shapes, order, window)
        for batch in found:
            watchdog.sign()
            yield batch

    def to_device(self, batch: Batch) -> Batch:
        if self.device.type == "cuda":
            batch = {k: v.pin_memory() for k, v in batch.items()}
        return arrived({k: v.to(self.device, non_blocking=True) for k, v in batch.items()}, self.spec)

    def batches(self, name: str, size: int, order: int | None = None, vary: bool = False) -> Iterator[Batch]:
        """`order` seeds a shuffle; without it they come in manifest order. `vary` as the spec augments."""
        for batch in self._stored(name, size, order):
            seen = sent(batch, self.spec, vary)
            if name == "train" and self.views > 1:  # alike where nothing varies, as BatchNorm is settled
                again = sent(batch, self.spec, vary)
                seen |= {f"{k}:2": v for k, v in again.items() if k.removesuffix("_length") in self.shapes}
            seen = self.to_device(self.hide(seen) if name == "train" else seen)
            yield self.miss(seen, self.spec.missing) if vary and self.spec.missing else seen

    def hide(self, batch: Batch) -> Batch:
        """A hidden class's clips stay with several modalities, but their starred input is padding: it has no length."""
        if len(self.spec.modalities) > 1:
            for modality, hidden in self.spec.data.hidden.items():
                if (name := f"{modality}_length") in batch:
                    is_hidden = torch.isin(batch["label"], torch.tensor(hidden))
                    batch = batch | {name: batch[name].masked_fill(is_hidden, 0)}
        return batch

    def miss(self, batch: Batch, share: float) -> Batch:
        """Of so many clips one modality's input has no length left, either modality's as often.

        A hidden class's clips have lost one already and keep the others: without any of them nothing is to be seen but
        that they are hidden.
        """
        drawn = torch.rand(len(batch["label"])).to(self.device)
        hidden = batch["label"].new_tensor(hidden_classes(self.spec))
        drawn = drawn.masked_fill(torch.isin(batch["label"], hidden), 1.0)
        each = share / len(self.spec.modalities)
        for i, name in enumerate(self.spec.modalities):
            lost = (drawn >= i * each) & (drawn < (i + 1) * each)
            length, trunk = f"{name}_length", f"{name}_trunk"
            if name not in self.blank:
                batch = batch | {length: batch[length].masked_fill(lost, 0)}
                continue
            rows = lost.reshape(-1, *[1] * (batch[trunk].dim() - 1))
            made = torch.where(rows, self.blank[name][trunk], batch[trunk])
            batch = batch | {trunk: made, f"{trunk}_length": batch[f"{trunk}_length"].masked_fill(lost, 0)}
        return batch

    def epoch(self, epoch: int, global_batch: int, vary: bool = True) -> Iterator[Batch]:
        """This worker's share of each global batch, in an order that seed, epoch and rank decide."""
        context = ray.train.get_context()
        rank, workers = context.get_world_rank(), context.get_world_size()
        order = int(np.random.default_rng([self.spec.seed, epoch, rank]).integers(2**31))
        return self.batches("train", stream.slices(global_batch, workers)[rank], order, vary)

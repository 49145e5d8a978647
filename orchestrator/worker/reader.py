"""What a worker reads: the rows of its run, as batches on its device."""

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import ray
import ray.train
import torch
from torch import nn

from datasets import augment, shards, splits, stream
from datasets.manifest import Manifest
from datasets.spec import Augmentation, Sampling
from datasets.stream import Batch
from orchestrator.plan.spec import DataSpec, RunSpec
from orchestrator.storage.store import Store
from orchestrator.worker import watchdog

# A worker's training clips (or a frozen trunk's outputs for them) up to this size are read once and kept in memory.
KEEP_BYTES = 4 << 30


def rows_of(spec: RunSpec, manifest: Manifest) -> tuple[np.ndarray, np.ndarray]:
    """Manifest rows a run trains on and is tested on. Stage 2 keeps the clips of hidden classes."""
    train_rows, test_rows = splits.split(manifest, spec.data.protocol)
    labels, instances = splits.labels(manifest), splits.instances(manifest)
    train_rows = splits.subset(train_rows, labels[train_rows], spec.data.ratio, spec.seed, instances[train_rows])
    if spec.kind != "fusion":
        hidden = (*spec.data.hidden_imu, *spec.data.hidden_video)
        train_rows = splits.without(train_rows, labels[train_rows], hidden)
    return train_rows, test_rows


def see(batch: Batch, data: DataSpec, how: Augmentation | None) -> Batch:
    """What the network sees of clips as they are stored; varied where they are trained on."""
    return arrived(sent(batch, data, how), data)


def sent(batch: Batch, data: DataSpec, how: Augmentation | None) -> Batch:
    """The part of `see` that draws and looks at values, before the device. Frames stay uint8."""
    if "imu" in batch and data.resampled:
        imu = augment.resample(batch["imu"], batch["imu_length"], data.resampled, how)
        length = torch.full_like(batch["imu_length"], data.resampled)
        batch = batch | {"imu": imu, "imu_length": length}
    if "imu" in batch and how:
        batch = batch | {"imu": augment.vary(batch["imu"], how)}
    if "video" in batch and (data.stored_frames or data.stored_size):
        assert data.frames and data.size
        video, length = augment.view(batch["video"], batch["video_length"], data.frames, data.size, how)
        batch = batch | {"video": video, "video_length": length}
    return batch


def arrived(batch: Batch, data: DataSpec) -> Batch:
    """The rest of it, which is arithmetic on whole batches, on the device."""
    if "video" in batch and data.channels == "motion":
        return batch | {"video": augment.motion(batch["video"], batch["video_length"])}
    return batch


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
        sampling: Sampling,
        spec: RunSpec,
        device: torch.device,
        read: Literal["shards", "recordings"] = "shards",
    ):
        if read == "shards":
            self.source = shards.Shards.read(shards.folder_of(store.root, manifest, sampling))
        else:
            self.source = shards.Recordings.of(manifest, sampling)
        self.sampling, self.spec, self.device = sampling, spec, device
        self.datasets: dict[str, ray.data.Dataset] = {}
        self.kept: Batch | None = None
        self.blank: Batch | None = None  # what the trunk makes of a missing video

    def open(self, name: str, rows: np.ndarray) -> None:
        """The rows this worker reads under a name. Each worker's are a Dataset of its own: nothing is split later."""
        self.datasets[name] = stream.dataset(self.source, rows, self.spec.kind)

    def keep(self, clips: int, model: nn.Module) -> None:
        """Hold the training clips in memory if they fit; for a fusion, what the frozen trunk makes of their video.

        Where videos vary from epoch to epoch so does what the trunk makes of them, and the videos are kept.
        """
        model.eval()
        frozen = getattr(model, "trunk_end", 0) > 0
        trunk: Any = model.trunk if frozen and not self.spec.augmentation.video else None
        if clips * self._bytes_of_clip(model if trunk else None) > KEEP_BYTES:
            return
        parts: list[Batch] = []
        for batch in self._stored("train", size=16, order=None):
            if trunk:
                made = trunk(self.to_device(self.hide(sent(batch, self.spec.data, None))))
                batch = {k: v for k, v in batch.items() if not k.startswith("video")} | made
            parts.append({k: v.cpu() for k, v in batch.items()})
        self.kept = {k: torch.cat([part[k] for part in parts]) for k in parts[0]}
        if trunk:
            self.blank = model.blank(self.spec.data.frames, self.spec.data.size)  # pyright: ignore

    def _bytes_of_clip(self, with_trunk: nn.Module | None) -> int:
        s, data = self.sampling, self.spec.data
        if with_trunk:
            return s.imu_bytes + with_trunk.trunk_bytes(data.frames, data.size)  # pyright: ignore[reportCallIssue]
        return (data.samples is not None) * s.imu_bytes + (data.frames is not None) * s.video_bytes

    def _stored(self, name: str, size: int, order: int | None) -> Iterator[Batch]:
        """Batches as they are stored or kept, not on the device yet."""
        if self.kept is not None and name == "train":
            found = stream.from_memory(self.kept, size, order)
        else:
            window = min(stream.SHUFFLE_CLIPS, stream.SHUFFLE_BYTES // self._bytes_of_clip(None))
            found = stream.batches(self.datasets[name], size, self.sampling, order, window)
        for batch in found:
            watchdog.sign()
            yield batch

    def to_device(self, batch: Batch) -> Batch:
        if self.device.type == "cuda":
            batch = {k: v.pin_memory() for k, v in batch.items()}
        return arrived({k: v.to(self.device, non_blocking=True) for k, v in batch.items()}, self.spec.data)

    def batches(self, name: str, size: int, order: int | None = None, vary: bool = False) -> Iterator[Batch]:
        """`order` seeds a shuffle; without it they come in manifest order. `vary` as the spec augments."""
        for batch in self._stored(name, size, order):
            how = self.spec.augmentation if vary else None
            seen = sent(batch, self.spec.data, how)
            seen = self.to_device(self.hide(seen) if name == "train" else seen)
            yield self.miss(seen, how.missing) if how and how.missing else seen

    def hide(self, batch: Batch) -> Batch:
        """In stage 2 a hidden class's clips stay, but their starred input has no length left: all of it is padding."""
        for modality, hidden in (("imu", self.spec.data.hidden_imu), ("video", self.spec.data.hidden_video)):
            if hidden and self.spec.kind == "fusion" and f"{modality}_length" in batch:
                is_hidden = torch.isin(batch["label"], torch.tensor(hidden))
                batch[f"{modality}_length"] = batch[f"{modality}_length"].masked_fill(is_hidden, 0)
        return batch

    def miss(self, batch: Batch, share: float) -> Batch:
        """Of so many clips of a fusion one modality's input has no length left, either modality's as often.

        A hidden class's clips have one left and keep it: without both nothing is to be seen but that they are hidden.
        """
        drawn = torch.rand(len(batch["label"])).to(self.device)
        hidden = (*self.spec.data.hidden_imu, *self.spec.data.hidden_video)
        drawn = drawn.masked_fill(torch.isin(batch["label"], batch["label"].new_tensor(hidden)), 1.0)
        no_imu, no_video = drawn < share / 2, (drawn >= share / 2) & (drawn < share)
        batch = batch | {"imu_length": batch["imu_length"].masked_fill(no_imu, 0)}
        if self.blank is None:
            return batch | {"video_length": batch["video_length"].masked_fill(no_video, 0)}
        rows = no_video.reshape(-1, *[1] * (batch["trunk"].dim() - 1))
        steps = batch["trunk_length"].masked_fill(no_video, 0)
        return batch | {"trunk": torch.where(rows, self.blank["trunk"], batch["trunk"]), "trunk_length": steps}

    def epoch(self, epoch: int, global_batch: int, vary: bool = True) -> Iterator[Batch]:
        """This worker's share of each global batch, in an order that seed, epoch and rank decide."""
        context = ray.train.get_context()
        rank, workers = context.get_world_rank(), context.get_world_size()
        order = int(np.random.default_rng([self.spec.seed, epoch, rank]).integers(2**31))
        return self.batches("train", stream.slices(global_batch, workers)[rank], order, vary)

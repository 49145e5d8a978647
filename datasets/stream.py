"""Stream: shards, or recordings, to batches, in an order that only (rows, batch size, workers, seed, epoch) decide.

A global batch is divided over the workers, unevenly where it must be (18 over 4 is 5, 5, 4, 4). Each worker owns the
clips it trains on, so no split is made while training and every resumed epoch sees the same order.
Shapes: B clips, T frames, H, W pixels, S samples, C channels.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import cast

import numpy as np
import pyarrow as pa
import ray
import torch

from datasets import tasks
from datasets.decoding import Recordings
from datasets.shards import Shards

Batch = dict[str, torch.Tensor]
Shapes = Mapping[str, tuple[int, ...]]  # by modality, that of a stored clip

# Clips a worker shuffles through: all of UTD-MHAD's, a window of a larger corpus. At 16x64x64 they take 800 MB.
SHUFFLE_CLIPS = 4096
SHUFFLE_BYTES = 2 << 30  # of larger clips fewer: at 64x224x224 it is 222


def slices(batch: int, workers: int) -> list[int]:
    """How many clips of a batch each worker takes."""
    return [batch // workers + (rank < batch % workers) for rank in range(workers)]


def batch_sizes(clips: int, batch: int, workers: int) -> list[int]:
    """The global batches of one epoch.

    A last batch with fewer than two clips a worker is left out: BatchNorm has no statistics of one clip. Which
    clips these are changes from epoch to epoch.
    """
    sizes = [batch] * (clips // batch) + [clips % batch]
    if sizes[-1] < 2 * workers:
        sizes.pop()
    if not sizes or batch < 2 * workers:
        raise ValueError(f"{clips} training clips in batches of {batch} are too few for {workers} worker(s).")
    return sizes


def deal(rows: np.ndarray, batch: int, workers: int, seed: int) -> list[np.ndarray]:
    """Which rows each worker trains on: its share of each global batch of a shuffled epoch."""
    shuffled = np.random.default_rng([seed, 18]).permutation(rows)
    owned: list[list[np.ndarray]] = [[] for _ in range(workers)]
    for start in range(0, len(rows), batch):
        part = shuffled[start : start + batch]
        for rank, share in enumerate(np.split(part, np.cumsum(slices(len(part), workers))[:-1])):
            owned[rank].append(share)
    return [np.sort(np.concatenate(parts)) for parts in owned]


def dataset(
    sources: Mapping[str, Shards | Recordings], rows: np.ndarray, labels: np.ndarray, clip_bytes: int | None = None
) -> ray.data.Dataset:
    """A lazy Dataset of these manifest rows, in manifest order: row, label and what each modality's source holds.

    `labels` are of all manifest rows. From recordings it has the same blocks: where they are read changes no batch.

    Of clips of `clip_bytes` several small parts go to one task.

    One operator, a task a part, a quarter of a CPU each: it finds room beside workers that take nearly all. (Ray's
    own read_parquet lists files in a task that takes a whole CPU: on two cores it waits for the run that waits for it.)
    """
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    tasks.be_quiet()
    asked = [{"rows": part.tolist(), "labels": labels[part].tolist()} for part in tasks.parts(sources, np.sort(rows))]
    least = tasks.READ_BYTES if all(isinstance(of, Shards) for of in sources.values()) else tasks.DECODED_BYTES
    blocks = len(asked) if clip_bytes is None else tasks.blocks_of(len(asked), len(rows) * clip_bytes, least)
    found = ray.data.from_items(asked, override_num_blocks=blocks)
    join = partial(tasks.joined, sources=dict(sources))
    return found.map_batches(join, batch_size=1, batch_format="pyarrow", num_cpus=0.25)


def batches(
    clips: ray.data.Dataset, size: int, shapes: Shapes, order: int | None = None, window: int = SHUFFLE_CLIPS
) -> Iterator[Batch]:
    """Batches of at most `size` clips of a Dataset, shuffled by the seed `order` within so many clips.

    Each modality's clips, as video_BTHWC uint8 and imu_BSC float32; their true lengths, label and row as int64.
    """
    found = clips.iter_batches(
        batch_size=size,
        batch_format="pyarrow",
        prefetch_batches=2,
        local_shuffle_buffer_size=None if order is None else max(window, size),
        local_shuffle_seed=order,
    )
    for table in cast(Iterable[pa.Table], found):
        yield tensors(table, shapes)


def from_memory(clips: Batch, size: int, order: int | None = None) -> Iterator[Batch]:
    """The same batches, in the same order, from clips that were read before (as many as one window holds)."""
    count = len(clips["row"])
    rows = np.arange(count) if order is None else np.random.default_rng(order).permutation(count)
    for part in torch.from_numpy(rows).split(size):
        yield {name: values[part] for name, values in clips.items()}


def tensors(table: pa.Table, shapes: Shapes) -> Batch:
    """Clips as a shard holds them, as a batch."""
    return {name: _tensor(table, name, shapes.get(name)) for name in table.column_names}


def _tensor(table: pa.Table, name: str, shape: tuple[int, ...] | None) -> torch.Tensor:
    column = table.column(name).combine_chunks()
    if shape is None:
        return torch.from_numpy(column.to_numpy(zero_copy_only=False).copy())
    flat = torch.from_numpy(column.flatten().to_numpy(zero_copy_only=False).copy())
    return flat.reshape(len(table), *shape)

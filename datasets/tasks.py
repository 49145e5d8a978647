"""What one of Ray's tasks takes up of a corpus: some of its parts, and of several modalities the same clips of each."""

import logging
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import ray

from datasets.decoding import Recordings
from datasets.shards import Shards

# What one task decodes and reads at the least: the first task of a process costs two seconds of a core.
DECODED_BYTES = 512 << 10
READ_BYTES = 16 << 20


def parts(sources: Mapping[str, Shards | Recordings], rows: np.ndarray) -> list[np.ndarray]:
    """The rows (sorted) by the shards of the modality that has the most: each part is read by one task."""
    starts = max((sources[name].bounds() for name in sorted(sources)), key=len)
    of_row = np.searchsorted(starts[1:], rows, side="right")
    return [rows[of_row == i] for i in np.unique(of_row)]


def blocks_of(parts: int, size: int, least: int) -> int:
    """In how many Ray tasks so many parts of together `size` bytes are taken up, of `least` bytes each."""
    return max(1, min(parts, size // least))


def joined(task: pa.Table, sources: Mapping[str, Shards | Recordings]) -> pa.Table:
    """The clips of one task, which has their rows and labels, with every source's columns. Its process needn't import
    torch."""
    [asked] = task.to_pylist()
    made = {name: pa.array(asked[f"{name}s"], pa.int64()) for name in ("row", "label")}
    for name, source in sorted(sources.items()):
        table = source.table(asked["rows"])
        made |= {column: table[column] for column in (name, f"{name}_length")}
    return pa.table(made)


def be_quiet() -> None:
    """Ray Data without its progress bars and plans in the terminal."""
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)

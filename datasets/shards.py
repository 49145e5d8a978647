"""Shards: Parquet files of decoded, fixed-shape clips, written by a Ray Data job; index.json comes last."""

import hashlib
import json
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import ray

from datasets import corpora, decode
from datasets.manifest import Manifest
from datasets.spec import Sampling

VERSION = 1  # raise it when the content of a shard changes
SHARD_BYTES = 64 << 20
COLUMNS = ("row", "label", "video", "video_length", "imu", "imu_length")


@dataclass(frozen=True)
class Recordings:
    """What decodes clips: the Manifest's columns, the folder and how it is sampled. Small enough to send around."""

    clips: pa.Table
    layout: str
    root: Path
    sampling: Sampling

    @staticmethod
    def of(manifest: Manifest, sampling: Sampling) -> "Recordings":
        columns = manifest.clips.select(["label", "video", "imu", "frames"])
        return Recordings(columns, manifest.layout, manifest.root, sampling)

    def bounds(self) -> list[int]:
        """Where each shard starts, and the end: at most SHARD_BYTES of clips each, and at least 8, for every core."""
        count, s = self.clips.num_rows, self.sampling
        per_shard = max(1, min(SHARD_BYTES // (s.video_bytes + s.imu_bytes), -(-count // 8)))
        return [*range(0, count, per_shard), count]

    def decode(self, rows: Sequence[int] | np.ndarray, columns: Sequence[str] = COLUMNS) -> pa.Table:
        """These manifest rows, as a shard holds them."""
        clips, s = self.clips.take(pa.array(rows, pa.int64())).to_pylist(), self.sampling
        made = {
            "row": pa.array(rows, pa.int64()),
            "label": pa.array([c["label"] for c in clips], pa.int64()),
        }
        if "video" in columns:
            videos = [decode.decode_video(self.root / c["video"], s.frames, c["frames"], s.size, s.crop) for c in clips]
            made["video"] = _fixed([video for video, _ in videos], pa.uint8())
            made["video_length"] = pa.array([n for _, n in videos], pa.int64())
        if "imu" in columns:
            signals = [corpora.signal(self.layout, self.root, c["imu"], s.rate) for c in clips]
            padded = [decode.pad_signal(signal, s.samples) for signal in signals]
            made["imu"] = _fixed([signal for signal, _ in padded], pa.float32())
            made["imu_length"] = pa.array([n for _, n in padded], pa.int64())
        return pa.table({name: made[name] for name in COLUMNS if name in columns})

    def tasks(self, rows: np.ndarray, columns: Sequence[str]) -> list[dict]:
        """The same parts that Shards has, so that batches are the same."""
        starts = self.bounds()
        of_row = np.searchsorted(starts[1:], rows, side="right")
        return [{"rows": rows[of_row == i].tolist(), "columns": list(columns)} for i in np.unique(of_row)]

    def fetch(self, task: pa.Table) -> pa.Table:
        """Decode the rows and columns that a task asks for."""
        [asked] = task.to_pylist()
        return self.decode(asked["rows"], asked["columns"])


@dataclass(frozen=True)
class Shards:
    """`files` in manifest order; `clips` says how many clips each holds."""

    folder: Path
    sampling: Sampling
    files: tuple[str, ...]
    clips: tuple[int, ...]

    @staticmethod
    def read(folder: Path) -> "Shards":
        index = json.loads((folder / "index.json").read_text())
        return Shards(
            folder,
            Sampling(**index["sampling"]),
            tuple(f["file"] for f in index["files"]),
            tuple(f["clips"] for f in index["files"]),
        )

    def holding(self, rows: np.ndarray) -> list[tuple[str, list[int]]]:
        """The shards that hold any of these manifest rows (sorted), each with those it holds."""
        of_row = np.searchsorted(np.cumsum(self.clips), rows, side="right")
        return [(str(self.folder / self.files[i]), rows[of_row == i].tolist()) for i in np.unique(of_row)]

    def tasks(self, rows: np.ndarray, columns: Sequence[str]) -> list[dict]:
        return [{"file": file, "rows": part, "columns": list(columns)} for file, part in self.holding(rows)]

    @staticmethod
    def fetch(task: pa.Table) -> pa.Table:
        """The rows and columns a task asks of one shard. These processes needn't import torch."""
        [asked] = task.to_pylist()
        return pq.read_table(asked["file"], columns=asked["columns"], filters=[("row", "in", asked["rows"])])


def folder_of(storage: Path, manifest: Manifest, sampling: Sampling) -> Path:
    what = json.dumps([VERSION, manifest.digest, sampling.to_json()])
    return storage / "shards" / hashlib.sha256(what.encode()).hexdigest()[:16]


def _fixed(column: list[np.ndarray], dtype: pa.DataType) -> pa.FixedSizeListArray:
    flat = np.ascontiguousarray(np.stack(column)).reshape(-1)
    return pa.FixedSizeListArray.from_arrays(pa.array(flat, dtype), column[0].size)


def write_table(table: pa.Table, file: Path | BinaryIO) -> None:
    # Decoded depth is mostly black: zstd makes it about a tenth.
    pq.write_table(table, file, compression="zstd", row_group_size=64)


def _write_shard(task: dict, recordings: Recordings, folder: Path) -> dict:
    """Decode the clips of one shard. A shard that is there already is whole: it got its name last.

    A clip that can't be decoded is told, not raised, so that the driver names all there are.
    """
    file = folder / f"part-{task['shard']:05d}.parquet"
    made = {"file": file.name, "clips": task["stop"] - task["start"], "bytes": 0, "error": ""}
    if not file.exists():
        part = file.with_suffix(f".{os.getpid()}.part")
        try:
            write_table(recordings.decode(range(task["start"], task["stop"])), part)
        except ValueError as error:
            return made | {"error": str(error)}
        part.replace(file)
    return made | {"bytes": file.stat().st_size}


def write(
    storage: Path, manifest: Manifest, sampling: Sampling, on_progress: Callable[[int, int], None] | None = None
) -> Shards:
    """The Shards of a Manifest, decoded as a Ray Data job unless they exist; needs a Ray that is connected.

    Raises ValueError naming a recording of each shard that can't be decoded; the other shards are kept.
    """
    folder = folder_of(storage, manifest, sampling)
    if (folder / "index.json").exists():
        return Shards.read(folder)
    folder.mkdir(parents=True, exist_ok=True)
    recordings = Recordings.of(manifest, sampling)
    starts = recordings.bounds()
    tasks = [{"shard": i, "start": a, "stop": b} for i, (a, b) in enumerate(pairwise(starts))]
    done, files = 0, []
    be_quiet()
    decode_part = partial(_write_shard, recordings=recordings, folder=folder)
    for row in ray.data.from_items(tasks, override_num_blocks=len(tasks)).map(decode_part).iter_rows():
        files.append(row)
        done += row["clips"]
        if on_progress:
            on_progress(done, manifest.clips.num_rows)
    if damaged := [row["error"] for row in files if row["error"]]:
        raise ValueError("\n".join([*damaged, "Mend or remove them; all other shards are written and stay."]))
    files = [{k: f[k] for k in ("file", "clips", "bytes")} for f in sorted(files, key=lambda f: f["file"])]
    index = {"version": VERSION, "manifest": manifest.digest, "sampling": sampling.to_json(), "files": files}
    part = folder / "index.json.part"
    part.write_text(json.dumps(index, indent=1))
    part.replace(folder / "index.json")
    return Shards.read(folder)


def be_quiet() -> None:
    """Ray Data without its progress bars and plans in the terminal."""
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)

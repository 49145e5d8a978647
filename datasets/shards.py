"""Shards: Parquet files of decoded, fixed-shape clips, written by a Ray Data job; index.json comes last."""

import hashlib
import json
import logging
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import ray

from datasets import decode
from datasets.manifest import Manifest
from datasets.spec import Sampling

VERSION = 1  # raise it when the content of a shard changes
SHARD_BYTES = 64 << 20


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


def folder_of(storage: Path, manifest: Manifest, sampling: Sampling) -> Path:
    what = json.dumps([VERSION, manifest.digest, asdict(sampling)])  # pyright: ignore[reportArgumentType]
    return storage / "shards" / hashlib.sha256(what.encode()).hexdigest()[:16]


def _fixed(column: list[np.ndarray], dtype: pa.DataType) -> pa.FixedSizeListArray:
    flat = np.ascontiguousarray(np.stack(column)).reshape(-1)
    return pa.FixedSizeListArray.from_arrays(pa.array(flat, dtype), column[0].size)


def _write_shard(task: dict) -> dict:
    """Decode the clips of one shard. A shard that is there already is whole: it got its name last."""
    file = Path(task["file"])
    clips = task["clips"]
    if not file.exists():
        root, s = Path(task["root"]), Sampling(**task["sampling"])
        videos = [decode.decode_video(root / c["video"], s.frames, c["frames"], s.size, s.crop) for c in clips]
        signals = [decode.pad_signal(decode.read_mat(root / c["imu"]), s.samples) for c in clips]
        table = pa.table(
            {
                "row": pa.array([c["row"] for c in clips], pa.int64()),
                "label": pa.array([c["label"] for c in clips], pa.int64()),
                "video": _fixed([v for v, _ in videos], pa.uint8()),
                "video_length": pa.array([n for _, n in videos], pa.int64()),
                "imu": _fixed([s for s, _ in signals], pa.float32()),
                "imu_length": pa.array([n for _, n in signals], pa.int64()),
            }
        )
        part = file.with_suffix(f".{os.getpid()}.part")
        # Decoded depth is mostly black: zstd makes it about a tenth.
        pq.write_table(table, part, compression="zstd", row_group_size=64)
        part.replace(file)
    return {"file": file.name, "clips": len(clips), "bytes": file.stat().st_size}


def write(
    storage: Path, manifest: Manifest, sampling: Sampling, on_progress: Callable[[int, int], None] | None = None
) -> Shards:
    """The Shards of a Manifest, decoded as a Ray Data job unless they exist; needs a Ray that is connected."""
    folder = folder_of(storage, manifest, sampling)
    if (folder / "index.json").exists():
        return Shards.read(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tasks = _tasks(folder, manifest, sampling)
    done, files = 0, []
    be_quiet()
    for row in ray.data.from_items(tasks, override_num_blocks=len(tasks)).map(_write_shard).iter_rows():
        files.append(row)
        done += row["clips"]
        if on_progress:
            on_progress(done, manifest.clips.num_rows)
    files = [{k: f[k] for k in ("file", "clips", "bytes")} for f in sorted(files, key=lambda f: f["file"])]
    index = {"version": VERSION, "manifest": manifest.digest, "sampling": tasks[0]["sampling"], "files": files}
    part = folder / "index.json.part"
    part.write_text(json.dumps(index, indent=1))
    part.replace(folder / "index.json")
    return Shards.read(folder)


def read_rows(task: pa.Table) -> pa.Table:
    """The rows and columns a task asks of one shard. It stands here because these processes needn't import torch."""
    [row] = task.to_pylist()
    return pq.read_table(row["file"], columns=row["columns"], filters=[("row", "in", row["rows"])])


def be_quiet() -> None:
    """Ray Data without its progress bars and plans in the terminal."""
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)


def _tasks(folder: Path, manifest: Manifest, sampling: Sampling) -> list[dict]:
    """One task a shard: at most SHARD_BYTES of decoded clips, and at least 8 shards, so that every core has work."""
    clips = manifest.clips.select(["label", "video", "imu", "frames"]).to_pylist()
    for row, clip in enumerate(clips):
        clip["row"] = row
    per_shard = max(1, min(SHARD_BYTES // (sampling.video_bytes + sampling.imu_bytes), -(-len(clips) // 8)))
    starts = range(0, len(clips), per_shard)
    return [
        {
            "file": str(folder / f"part-{i:05d}.parquet"),
            "root": str(manifest.root),
            "sampling": asdict(sampling),  # pyright: ignore[reportArgumentType]
            "clips": clips[start : start + per_shard],
        }
        for i, start in enumerate(starts)
    ]

"""Shards: Parquet files of decoded, fixed-shape clips, written by a Ray Data job; index.json comes last."""

import hashlib
import json
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import ray

from datasets import decode
from datasets.manifest import Manifest
from datasets.spec import Sampling
from datasets.whole import read_json, remove_parts, write_whole, writing

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
        """Raises ValueError naming an index that can't be read."""
        file = folder / "index.json"
        index = read_json(file)
        try:
            files, clips = [f["file"] for f in index["files"]], [f["clips"] for f in index["files"]]
            if any(Path(name).name != name or count < 1 for name, count in zip(files, clips, strict=True)):
                raise ValueError("it names files elsewhere or without clips")
            return Shards(folder, Sampling(**index["sampling"]), tuple(files), tuple(clips))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{file}: is no index of shards ({type(error).__name__}: {error}).") from None

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
    """Decode the clips of one shard, unless it is there and whole."""
    file = Path(task["file"])
    clips = task["clips"]
    if _damage(file, len(clips)):
        root, s = Path(task["root"]), Sampling(**task["sampling"])
        videos = [decode.decode_video(root / c["video"], s.frames, c["frames"], s.size, s.crop) for c in clips]
        signals = [_signal(root / c["imu"], s.samples) for c in clips]
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
        # Decoded depth is mostly black: zstd makes it about a tenth. A changed bit only the checksum notices.
        with writing(file) as part:
            pq.write_table(table, part, compression="zstd", row_group_size=64, write_page_checksum=True)
        _note(file).unlink(missing_ok=True)
    return {"file": file.name, "clips": len(clips), "bytes": file.stat().st_size}


def _signal(file: Path, samples: int) -> tuple[np.ndarray, int]:
    try:
        return decode.pad_signal(decode.read_mat(file), samples)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None


def _damage(file: Path, clips: int, size: int | None = None) -> str | None:
    """Why a shard must be written (again), None where it is there and whole as far as its end tells."""
    if not file.exists():
        return "is missing"
    if _note(file).exists():
        return "is damaged, as a run that read it found"
    if size is not None and file.stat().st_size != size:
        return f"has {file.stat().st_size} bytes, not {size}"
    try:
        found = pq.read_metadata(file).num_rows
    except (OSError, pa.ArrowException) as error:
        return f"can't be read ({error})"
    return None if found == clips else f"holds {found} clips, not {clips}"


def _note(file: Path) -> Path:
    """A run that can't read a shard leaves this beside it; the next start writes the shard anew."""
    return file.with_suffix(".damaged")


def write(
    storage: Path,
    manifest: Manifest,
    sampling: Sampling,
    on_progress: Callable[[int, int], None] | None = None,
    say: Callable[[str], None] = print,
) -> Shards:
    """The Shards of a Manifest, decoded as a Ray Data job unless they exist; needs a Ray that is connected.

    `say` is told of a shard that is damaged; only such a one is decoded again.
    """
    folder = folder_of(storage, manifest, sampling)
    if (folder / "index.json").exists() and (whole := _whole(folder, say)):
        return whole
    folder.mkdir(parents=True, exist_ok=True)
    remove_parts(folder)
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
    write_whole(folder / "index.json", json.dumps(index, indent=1))
    return Shards.read(folder)


def _whole(folder: Path, say: Callable[[str], None]) -> Shards | None:
    try:
        found, sizes = Shards.read(folder), [f.get("bytes") for f in read_json(folder / "index.json")["files"]]
    except ValueError as error:
        say(f"the index of shards is written again: {error}")
        return None
    damaged = False
    for name, clips, size in zip(found.files, found.clips, sizes, strict=True):
        if why := _damage(folder / name, clips, size):
            say(f"decoded again: {folder / name}: {why}")
            _note(folder / name).touch()
            damaged = True
    return None if damaged else found


def read_rows(task: pa.Table) -> pa.Table:
    """The rows and columns a task asks of one shard. It stands here because these processes needn't import torch."""
    [row] = task.to_pylist()
    file, wanted = Path(row["file"]), [("row", "in", row["rows"])]
    try:
        found = pq.read_table(file, columns=row["columns"], filters=wanted, page_checksum_verification=True)
        if len(found) != len(row["rows"]):
            raise ValueError(f"it holds {len(found)} of the {len(row['rows'])} clips that it should")
        return found
    except (OSError, pa.ArrowException, ValueError) as error:
        with suppress(OSError):
            _note(file).touch()
        raise ValueError(f"{file}: is damaged ({error}); the next start decodes it again.") from None


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

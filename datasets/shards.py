"""Shards: Parquet files of decoded, fixed-shape clips, written by a Ray Data job; index.json comes last."""

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import ray

from datasets import corpora
from datasets.corpora import remarks
from datasets.files import crashes
from datasets.files.atomic import FULL, read_json, remove_parts, write_whole, writing
from datasets.files.bad_file import BadFile, BadRecordings
from datasets.manifest import Manifest
from datasets.signals import inertial
from datasets.spec import Sampling
from datasets.videos import decode
from datasets.videos.decode import Note
from datasets.videos.video_file import SUMMARY

VERSION = 2  # raise it when the content of a shard changes
SHARD_BYTES = 64 << 20
# A shard's folder is named after all of the recordings.
KEPT = " The other shards stay for as long as no recording changes; mended or fewer ones are all decoded again."
NOTES = b"notes"
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
        """These manifest rows, as a shard holds them. Raises ValueError naming every file that can't be decoded."""
        table, bad, _ = self.tried(rows, columns)
        if table is None:
            raise ValueError("\n".join(f"{self.root / b.file}: {b.reason}" for b in bad))
        return table

    def tried(
        self, rows: Sequence[int] | np.ndarray, columns: Sequence[str] = COLUMNS
    ) -> tuple[pa.Table | None, list[BadFile], dict[str, dict[str, str]]]:
        """`decode`'s table, or None and every file that is in its way, for of 100 clips several may be bad; and notes.

        Those are of videos whose scan looked at headers alone, as in `remarks.of_videos`.
        """
        clips = self.clips.take(pa.array(rows, pa.int64())).to_pylist()
        notes: dict[str, dict[str, str]] = {}

        noted = corpora.of(self.layout).by_header

        def film(clip: dict) -> tuple[np.ndarray, int]:
            return self._video(
                clip, lambda found: notes.update({clip["video"]: dict(found)} if noted and found else {})
            )

        read = {name: how for name, how in (("video", film), ("imu", self._signal)) if name in columns}
        found: dict[str, list[tuple[np.ndarray, int]]] = {name: [] for name in read}
        bad: dict[BadFile, None] = {}  # views share their signals
        for clip in clips:
            for name, how in read.items():
                try:
                    found[name].append(how(clip))
                except (ValueError, OSError) as error:
                    bad[self._bad(clip[name], str(error))] = None
        if bad:
            return None, list(bad), notes
        made = {"row": pa.array(rows, pa.int64()), "label": pa.array([c["label"] for c in clips], pa.int64())}
        for name, decoded in found.items():
            made[name] = _fixed([values for values, _ in decoded], pa.uint8() if name == "video" else pa.float32())
            made[f"{name}_length"] = pa.array([n for _, n in decoded], pa.int64())
        return pa.table({name: made[name] for name in COLUMNS if name in columns}), [], notes

    def _video(self, clip: dict, note: Note) -> tuple[np.ndarray, int]:
        s = self.sampling
        return decode.decode_video(self.root / clip["video"], s.frames, clip["frames"], s.size, s.crop, note)

    def videos(self, rows: Sequence[int]) -> list[str]:
        return self.clips["video"].take(pa.array(rows, pa.int64())).to_pylist()

    def _signal(self, clip: dict) -> tuple[np.ndarray, int]:
        found = corpora.signal(self.layout, self.root, clip["imu"], self.sampling.rate)
        return inertial.pad_signal(found, self.sampling.samples)

    def _bad(self, name: str, why: str) -> BadFile:
        """By the one file that is bad: of several sensors the error names it, or else the first has to do."""
        there = [part for part in name.split("|") if part]
        for file in there:
            if why.startswith(f"{self.root / file}: "):
                return BadFile(file, why.removeprefix(f"{self.root / file}: "))
        return BadFile(name, why) if len(there) < 2 else BadFile(there[0], f"with its other sensors, {why}")

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
    """`files` in manifest order; `clips` says how many clips each holds; `notes` is what decoding them told."""

    folder: Path
    sampling: Sampling
    files: tuple[str, ...]
    clips: tuple[int, ...]
    notes: tuple[str, ...] = ()

    @staticmethod
    def read(folder: Path) -> "Shards":
        """Raises ValueError naming an index that can't be read."""
        file = folder / "index.json"
        index = read_json(file)
        try:
            files, clips = [f["file"] for f in index["files"]], [f["clips"] for f in index["files"]]
            if any(Path(name).name != name or count < 1 for name, count in zip(files, clips, strict=True)):
                raise ValueError("it names files elsewhere or without clips")
            notes = tuple(str(note) for note in index.get("notes", []))
            return Shards(folder, Sampling(**index["sampling"]), tuple(files), tuple(clips), notes)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{file}: is no index of shards ({type(error).__name__}: {error}).") from None

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
        file, wanted = Path(asked["file"]), [("row", "in", asked["rows"])]
        try:
            found = pq.read_table(file, columns=asked["columns"], filters=wanted, page_checksum_verification=True)
            if len(found) != len(asked["rows"]):
                raise ValueError(f"it holds {len(found)} of the {len(asked['rows'])} clips that it should")
            return found
        except (OSError, pa.ArrowException, ValueError) as error:
            with suppress(OSError):
                _note(file).touch()
            raise ValueError(f"{file}: is damaged ({error}); the next start decodes it again.") from None


def folder_of(storage: Path, manifest: Manifest, sampling: Sampling) -> Path:
    what = json.dumps([VERSION, manifest.digest, sampling.to_json()])
    return storage / "shards" / hashlib.sha256(what.encode()).hexdigest()[:16]


def _fixed(column: list[np.ndarray], dtype: pa.DataType) -> pa.FixedSizeListArray:
    flat = np.ascontiguousarray(np.stack(column)).reshape(-1)
    return pa.FixedSizeListArray.from_arrays(pa.array(flat, dtype), column[0].size)


def write_table(table: pa.Table, file: Path | BinaryIO) -> None:
    # Decoded depth is mostly black: zstd makes it about a tenth. A changed bit only the checksum notices.
    pq.write_table(table, file, compression="zstd", row_group_size=64, write_page_checksum=True)


def _write_shard(task: dict, recordings: Recordings, folder: Path) -> dict:
    """Decode the clips of one shard, unless it is there and whole.

    Files that can't be decoded are told, not raised, so that the driver names all there are; as JSON, for Ray Data
    can't tell what a list without entries holds. A full disk is told, for Ray would make a traceback of it.
    """
    file, clips = folder / f"part-{task['shard']:05d}.parquet", task["stop"] - task["start"]
    made = {"file": file.name, "clips": clips, "bytes": 0, "bad": "[]", "full": 0, "why": ""}
    if _damage(file, clips):
        rows = range(task["start"], task["stop"])
        try:
            with crashes.counted(file.with_suffix(".begun")) as died:
                bad = crashes.culprits(recordings.root, recordings.videos(rows), SUMMARY, died)
                table, bad, notes = (None, bad, {}) if bad else recordings.tried(rows)
                if table is None:
                    return made | {"bad": json.dumps([[b.file, b.reason] for b in bad])}
                with writing(file) as part:
                    # In the shard, for the index is written later, by this start or by another one.
                    write_table(table.replace_schema_metadata({NOTES: json.dumps(notes)}), part)
        except OSError as error:
            if error.errno not in FULL:
                raise
            return made | {"why": error.strerror, "full": error.errno}
        _note(file).unlink(missing_ok=True)
    return made | {"bytes": file.stat().st_size}


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

    `say` is told of a shard that is damaged; only such a one is decoded again. Raises BadRecordings naming every file
    that can't be decoded, and OSError at the first that the disk has no room for; the other shards are kept.
    """
    folder = folder_of(storage, manifest, sampling)
    if (folder / "index.json").exists() and (whole := _whole(folder, say)):
        return whole
    folder.mkdir(parents=True, exist_ok=True)
    remove_parts(folder)
    for begun in folder.glob("*.begun"):  # by a start that was killed
        begun.unlink()
    recordings = Recordings.of(manifest, sampling)
    starts = recordings.bounds()
    tasks = [{"shard": i, "start": a, "stop": b} for i, (a, b) in enumerate(pairwise(starts))]
    done, files = 0, []
    be_quiet()
    decode_part = partial(_write_shard, recordings=recordings, folder=folder)
    for row in ray.data.from_items(tasks, override_num_blocks=len(tasks)).map(decode_part).iter_rows():
        if row["full"]:
            raise OSError(row["full"], row["why"], str(folder / row["file"]))
        files.append(row)
        done += row["clips"]
        if on_progress:
            on_progress(done, manifest.clips.num_rows)
    if bad := dict.fromkeys(BadFile(*found) for row in files for found in json.loads(row["bad"])):
        raise BadRecordings(manifest.root, tuple(sorted(bad, key=lambda b: b.file)), KEPT)
    files = [{k: f[k] for k in ("file", "clips", "bytes")} for f in sorted(files, key=lambda f: f["file"])]
    notes: dict[str, dict[str, str]] = {}
    for file in files:
        notes |= json.loads((pq.read_metadata(folder / file["file"]).metadata or {}).get(NOTES, "{}"))
    index = {"version": VERSION, "manifest": manifest.digest, "sampling": sampling.to_json(), "files": files}
    index["notes"] = remarks.of_videos(notes)
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


def be_quiet() -> None:
    """Ray Data without its progress bars and plans in the terminal."""
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)

"""Shards: Parquet files of a modality's decoded, fixed-shape clips, by a Ray Data job; index.json comes last.

What is computed from such clips may lie in shards too, by the same functions (orchestrator/driver/trunks.py).

They lie in shards/MODALITY/KEY/ of a storage: what another modality's recordings are moves none of them.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import ray

from datasets import corpora, modalities
from datasets.decoding import Notes, Recordings
from datasets.files import crashes
from datasets.files.atomic import FULL, read_json, remove_parts, write_whole, writing
from datasets.files.bad_file import BadFile, BadRecordings
from datasets.files.sandbox import Found
from datasets.manifest import Manifest

VERSION = 3  # raise it when the content of a shard changes
# A shard's folder is named after all of the recordings.
KEPT = " The other shards stay for as long as no recording changes; mended or fewer ones are all decoded again."
NOTES = b"notes"
Progress = Callable[[int, int], None]  # how many clips of how many
# What a part holds, or None and the files that are in its way, and notes.
Made = AbstractContextManager[tuple[pa.Table | None, list[BadFile], Notes]]
# What one Ray task decodes and reads at the least: the first task of a process costs two seconds of a core.
DECODED_BYTES = 512 << 10
READ_BYTES = 16 << 20


@dataclass(frozen=True)
class Shards:
    """`files` in manifest order; `clips` says how many clips each holds; `notes` is what decoding them told.

    `stored` is what of the modality's Input they follow from. `rows` are the manifest rows that they hold, None
    for all.
    """

    folder: Path
    modality: str
    stored: dict[str, Any]
    files: tuple[str, ...]
    clips: tuple[int, ...]
    notes: tuple[str, ...] = ()
    rows: tuple[int, ...] | None = None

    @staticmethod
    def read(folder: Path) -> "Shards":
        """Raises ValueError naming an index that can't be read."""
        file = folder / "index.json"
        index = read_json(file)
        try:
            files, clips = [f["file"] for f in index["files"]], [f["clips"] for f in index["files"]]
            if any(Path(name).name != name or count < 1 for name, count in zip(files, clips, strict=True)):
                raise ValueError("it names files elsewhere or without clips")
            modality, stored, notes = str(index["modality"]), dict(index["input"]), map(str, index["notes"])
            rows = tuple(map(int, index["rows"])) if "rows" in index else None
            if rows is not None and len(rows) != sum(clips):
                raise ValueError(f"it names {len(rows)} rows and files of {sum(clips)} clips")
            return Shards(folder, modality, stored, tuple(files), tuple(clips), tuple(notes), rows)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{file}: is no index of shards ({type(error).__name__}: {error}).") from None

    def bounds(self) -> list[int]:
        """The manifest rows at which each shard starts, and the end."""
        starts = [0, *accumulate(self.clips)]
        return starts if self.rows is None else [*(self.rows[start] for start in starts[:-1]), self.rows[-1] + 1]

    def holding(self, rows: Sequence[int] | np.ndarray) -> list[tuple[str, list[int]]]:
        """The shards that hold any of these manifest rows (sorted), each with those it holds."""
        rows = np.asarray(rows, int)
        of_row = np.searchsorted(self.bounds()[1:], rows, side="right")
        return [(self.files[i], rows[of_row == i].tolist()) for i in np.unique(of_row)]

    def table(self, rows: Sequence[int]) -> pa.Table:
        """These manifest rows (sorted), of as many shards as hold them."""
        return pa.concat_tables([self._part(self.folder / name, held) for name, held in self.holding(rows)])

    def _part(self, file: Path, rows: list[int]) -> pa.Table:
        columns = ["row", self.modality, f"{self.modality}_length"]
        try:
            found = pq.read_table(file, columns=columns, filters=[("row", "in", rows)], page_checksum_verification=True)
            if found["row"].to_pylist() != rows:
                raise ValueError(f"it holds {len(found)} of the {len(rows)} clips that it should")
            return found
        except (OSError, pa.ArrowException, ValueError) as error:
            with suppress(OSError):
                _note(file).touch()
            raise ValueError(f"{file}: is damaged ({error}); the next start writes it again.") from None


def folder_of(storage: Path, manifest: Manifest, modality: str, given_input: Any) -> Path:
    stored = modalities.of(modality).stored(given_input)
    what = json.dumps([VERSION, modality, manifest.layout, manifest.of((modality,)).digest, stored])
    return storage / "shards" / modality / hashlib.sha256(what.encode()).hexdigest()[:16]


def write_table(table: pa.Table, file: Path | BinaryIO) -> None:
    # Decoded depth is mostly black: zstd makes it about a tenth. A changed bit only the checksum notices.
    pq.write_table(table, file, compression="zstd", row_group_size=64, write_page_checksum=True)


def _write_shard(task: dict, recordings: Recordings, folder: Path) -> dict:
    """Decode the clips of one shard, unless it is there and whole."""
    rows, file = range(task["start"], task["stop"]), folder / task["file"]
    return write_part(file, len(rows), lambda: _decoded(recordings, rows, file))


@contextmanager
def _decoded(recordings: Recordings, rows: Sequence[int], file: Path) -> Iterator[Any]:
    how = corpora.SUMMARY, recordings.modality, recordings.layout
    with crashes.counted(file.with_suffix(".begun")) as died:
        bad = crashes.culprits(recordings.root, recordings.files(rows), died, *how)
        yield (None, bad, {}) if bad else recordings.tried(rows)


def write_part(file: Path, clips: int, make: Callable[[], Made]) -> dict[str, Any]:
    """Write a part of so many clips, unless it is there and whole; what `run` is told of it.

    Files that can't be decoded are told, not raised, so that the driver names all there are; as JSON, for Ray Data
    can't tell what a list without entries holds. So are a full disk and a damaged file, for Ray would make a traceback
    of them.
    """
    made = {"file": file.name, "clips": clips, "bytes": 0, "bad": "[]", "full": 0, "why": ""}
    if damage(file, clips):
        try:
            with make() as (table, bad, notes):
                if table is None:
                    return made | {"bad": json.dumps([[b.file, b.reason] for b in bad])}
                with writing(file) as part:
                    # In the shard, for the index is written later, by this start or by another one.
                    write_table(table.replace_schema_metadata({NOTES: json.dumps(notes)}), part)
        except OSError as error:
            if error.errno not in FULL:
                raise
            return made | {"why": error.strerror, "full": error.errno}
        except ValueError as error:
            return made | {"why": str(error)}
        _note(file).unlink(missing_ok=True)
    return made | {"bytes": file.stat().st_size}


def damage(file: Path, clips: int, size: int | None = None) -> str | None:
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
    modality: str,
    given_input: Any,
    on_progress: Progress | None = None,
    say: Callable[[str], None] = print,
) -> Shards:
    """A modality's Shards of a Manifest, decoded as a Ray Data job unless they exist; needs a Ray that is connected.

    `say` is told of a shard that is damaged; only such a one is decoded again. Raises BadRecordings naming every file
    that can't be decoded, and OSError at the first that the disk has no room for; the other shards are kept.
    """
    folder = folder_of(storage, manifest, modality, given_input)
    if whole := begin(folder, say):
        return whole
    for begun in folder.glob("*.begun"):  # by a start that was killed
        begun.unlink()
    recordings = Recordings.of(manifest, modality, given_input)
    tasks = [
        {"file": part_name(i), "clips": b - a, "start": a, "stop": b}
        for i, (a, b) in enumerate(pairwise(recordings.bounds()))
    ]
    blocks = blocks_of(len(tasks), manifest.clips.num_rows * recordings.how.bytes(given_input), DECODED_BYTES)
    write_one = partial(_write_shard, recordings=recordings, folder=folder)
    files = run(tasks, folder, write_one, on_progress, blocks)
    if bad := dict.fromkeys(BadFile(*found) for row in files for found in json.loads(row["bad"])):
        raise BadRecordings(manifest.root, tuple(sorted(bad, key=lambda b: b.file)), KEPT)
    index = {"version": VERSION, "manifest": manifest.of((modality,)).digest, "modality": modality}
    index |= {"input": recordings.how.stored(given_input)}
    return end(folder, index, files, _noted(recordings, [folder / file["file"] for file in files]))


def part_name(number: int) -> str:
    return f"part-{number:05d}.parquet"


def begin(folder: Path, say: Callable[[str], None]) -> Shards | None:
    """The Shards of a folder where they are whole; else None, and the folder is there, without what a kill left."""
    if (folder / "index.json").exists() and (whole := _whole(folder, say)):
        return whole
    folder.mkdir(parents=True, exist_ok=True)
    remove_parts(folder)
    return None


def run(
    tasks: Sequence[dict[str, Any]],
    folder: Path,
    write_one: Callable[[dict], dict],
    on_progress: Progress | None = None,
    blocks: int | None = None,
    takes: Mapping[str, Any] = MappingProxyType({}),
) -> list[dict[str, Any]]:
    """Write the parts, each with its `file` and number of `clips`, as a Ray Data job; gives what `write_part` does.

    One of Ray's tasks takes one part, or of all as many as make so many `blocks`; it `takes` num_cpus or num_gpus.
    Raises OSError at the first part that the disk has no room for, and ValueError for what can't be read.
    """
    done, total, files = 0, sum(task["clips"] for task in tasks), []
    be_quiet()
    items = ray.data.from_items(list(tasks), override_num_blocks=blocks or len(tasks))
    for row in items.map(write_one, **takes).iter_rows():
        if row["full"]:
            raise OSError(row["full"], row["why"], str(folder / row["file"]))
        if row["why"]:
            raise ValueError(row["why"])
        files.append(row)
        done += row["clips"]
        if on_progress:
            on_progress(done, total)
    return sorted(files, key=lambda row: row["file"])


def end(folder: Path, about: dict[str, Any], files: Sequence[dict[str, Any]], notes: Sequence[str] = ()) -> Shards:
    """Write the index, after which the shards are there."""
    index = about | {"files": [{k: f[k] for k in ("file", "clips", "bytes")} for f in files], "notes": list(notes)}
    write_whole(folder / "index.json", json.dumps(index, indent=1))
    return Shards.read(folder)


def _noted(recordings: Recordings, files: Sequence[Path]) -> list[str]:
    """What decoding told of recordings, as a scan would have remarked it."""
    found = {}
    for file in files:
        notes = json.loads((pq.read_metadata(file).metadata or {}).get(NOTES, "{}"))
        found |= {name: Found(0, of_one) for name, of_one in notes.items()}
    return recordings.how.remarks(found, recordings.source) if found else []


def _whole(folder: Path, say: Callable[[str], None]) -> Shards | None:
    try:
        found, sizes = Shards.read(folder), [f.get("bytes") for f in read_json(folder / "index.json")["files"]]
    except ValueError as error:
        say(f"the index of shards is written again: {error}")
        return None
    damaged = False
    for name, clips, size in zip(found.files, found.clips, sizes, strict=True):
        if why := damage(folder / name, clips, size):
            say(f"written again: {folder / name}: {why}")
            _note(folder / name).touch()
            damaged = True
    return None if damaged else found


def be_quiet() -> None:
    """Ray Data without its progress bars and plans in the terminal."""
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)


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

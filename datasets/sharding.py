"""Sharding: a Ray Data job that writes shards, a modality's clips decoded or what is computed from them."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import ray

from datasets import corpora, shards
from datasets.decoding import Notes, Recordings
from datasets.files import crashes
from datasets.files.atomic import FULL, writing
from datasets.files.bad_file import BadFile, BadRecordings
from datasets.files.sandbox import Found
from datasets.manifest import Manifest
from datasets.shards import Shards
from datasets.tasks import DECODED_BYTES, be_quiet, blocks_of

# A shard's folder is named after all of the recordings.
KEPT = " The other shards stay for as long as no recording changes; mended or fewer ones are all decoded again."
NOTES = b"notes"
Progress = Callable[[int, int], None]  # how many clips of how many
# What a part holds, or None and the files that are in its way, and notes.
Made = AbstractContextManager[tuple[pa.Table | None, list[BadFile], Notes]]


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
    folder = shards.folder_of(storage, manifest, modality, given_input)
    if whole := shards.begin(folder, say):
        return whole
    for begun in folder.glob("*.begun"):  # by a start that was killed
        begun.unlink()
    recordings = Recordings.of(manifest, modality, given_input)
    tasks = [
        {"file": shards.part_name(i), "clips": b - a, "start": a, "stop": b}
        for i, (a, b) in enumerate(pairwise(recordings.bounds()))
    ]
    blocks = blocks_of(len(tasks), manifest.clips.num_rows * recordings.how.bytes(given_input), DECODED_BYTES)
    write_one = partial(_write_shard, recordings=recordings, folder=folder)
    files = run(tasks, folder, write_one, on_progress, blocks)
    if bad := dict.fromkeys(BadFile(*found) for row in files for found in json.loads(row["bad"])):
        raise BadRecordings(manifest.root, tuple(sorted(bad, key=lambda b: b.file)), KEPT)
    index = {"version": shards.VERSION, "manifest": manifest.of((modality,)).digest, "modality": modality}
    index |= {"input": recordings.how.stored(given_input)}
    return shards.end(folder, index, files, _noted(recordings, [folder / file["file"] for file in files]))


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
    if shards.damage(file, clips):
        try:
            with make() as (table, bad, notes):
                if table is None:
                    return made | {"bad": json.dumps([[b.file, b.reason] for b in bad])}
                with writing(file) as part:
                    # In the shard, for the index is written later, by this start or by another one.
                    shards.write_table(table.replace_schema_metadata({NOTES: json.dumps(notes)}), part)
        except OSError as error:
            if error.errno not in FULL:
                raise
            return made | {"why": error.strerror, "full": error.errno}
        except ValueError as error:
            return made | {"why": str(error)}
        shards.mark(file).unlink(missing_ok=True)
    return made | {"bytes": file.stat().st_size}


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


def _noted(recordings: Recordings, files: Sequence[Path]) -> list[str]:
    """What decoding told of recordings, as a scan would have remarked it."""
    found = {}
    for file in files:
        notes = json.loads((pq.read_metadata(file).metadata or {}).get(NOTES, "{}"))
        found |= {name: Found(0, of_one) for name, of_one in notes.items()}
    return recordings.how.remarks(found, recordings.source) if found else []

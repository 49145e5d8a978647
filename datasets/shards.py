"""Shards: Parquet files of fixed-shape clips, in manifest order, in a folder whose index.json comes last.

Those of a modality's decoded clips lie in shards/MODALITY/KEY/ of a storage: what another modality's recordings are
moves none of them. What is computed from such clips lies in shards too (orchestrator/storage/trunks.py). `sharding.py`
writes them.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from datasets import modalities
from datasets.files.atomic import read_json, remove_parts, write_whole
from datasets.manifest import Manifest

VERSION = 4  # raise it when the content of a shard changes
OF = b"of"  # of a field: the kind of number that its values are made of


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
            found = _unpacked(found)
            if found["row"].to_pylist() != rows:
                raise ValueError(f"it holds {len(found)} of the {len(rows)} clips that it should")
            return found
        except (OSError, pa.ArrowException, ValueError) as error:
            with suppress(OSError):
                mark(file).touch()
            raise ValueError(f"{file}: is damaged ({error}); the next start writes it again.") from None


def folder_of(storage: Path, manifest: Manifest, modality: str, given_input: Any) -> Path:
    stored = modalities.of(modality).stored(given_input)
    what = json.dumps([VERSION, modality, manifest.layout, manifest.of((modality,)).digest, stored])
    return storage / "shards" / modality / hashlib.sha256(what.encode()).hexdigest()[:16]


def write_table(table: pa.Table, file: Path | BinaryIO) -> None:
    """A clip's values are one Parquet value, which is read 15 times as fast as a list of them and takes less room."""
    # Decoded depth is mostly black: zstd makes it about a tenth. A changed bit only the checksum notices.
    pq.write_table(
        _packed(table), file, compression="zstd", row_group_size=64, write_page_checksum=True,
        # A page, which can't be larger than 2 GB, holds one clip or a few small ones.
        use_dictionary=False, write_batch_size=1,
        write_statistics=["row"],  # pyright: ignore[reportArgumentType]
    )  # fmt: skip


def _packed(table: pa.Table) -> pa.Table:
    """With binary values in place of lists of one length; the field keeps what they are of."""
    for i, field in enumerate(table.schema):
        if isinstance(field.type, pa.FixedSizeListType):
            lists = table.column(i).combine_chunks()
            values = pa.py_buffer(lists.flatten().to_numpy())
            kind = pa.binary(field.type.list_size * field.type.value_type.bit_width // 8)
            packed = pa.FixedSizeBinaryArray.from_buffers(kind, len(lists), [None, values])
            table = table.set_column(i, pa.field(field.name, kind, metadata={OF: str(field.type.value_type)}), packed)
    return table


def _unpacked(table: pa.Table) -> pa.Table:
    """With the lists again, which share the memory of what was read."""
    for i, field in enumerate(table.schema):
        if OF in (field.metadata or {}):
            kind = pa.type_for_alias(field.metadata[OF].decode())
            size = field.type.byte_width * 8 // kind.bit_width
            lists = [_lists(part, kind, size) for part in table.column(i).chunks]
            table = table.set_column(i, field.name, pa.chunked_array(lists, pa.list_(kind, size)))
    return table


def _lists(packed: pa.FixedSizeBinaryArray, kind: pa.DataType, size: int) -> pa.FixedSizeListArray:
    values = pa.Array.from_buffers(kind, len(packed) * size, [None, packed.buffers()[1]], offset=packed.offset * size)
    return pa.FixedSizeListArray.from_arrays(values, size)


def damage(file: Path, clips: int, size: int | None = None) -> str | None:
    """Why a shard must be written (again), None where it is there and whole as far as its end tells."""
    if not file.exists():
        return "is missing"
    if mark(file).exists():
        return "is damaged, as a run that read it found"
    if size is not None and file.stat().st_size != size:
        return f"has {file.stat().st_size} bytes, not {size}"
    try:
        found = pq.read_metadata(file).num_rows
    except (OSError, pa.ArrowException) as error:
        return f"can't be read ({error})"
    return None if found == clips else f"holds {found} clips, not {clips}"


def mark(file: Path) -> Path:
    """A run that can't read a shard leaves this beside it; the next start writes the shard anew."""
    return file.with_suffix(".damaged")


def part_name(number: int) -> str:
    return f"part-{number:05d}.parquet"


def begin(folder: Path, say: Callable[[str], None]) -> Shards | None:
    """The Shards of a folder where they are whole; else None, and the folder is there, without what a kill left."""
    if (folder / "index.json").exists() and (found := whole(folder, say)):
        return found
    folder.mkdir(parents=True, exist_ok=True)
    remove_parts(folder)
    return None


def end(folder: Path, about: dict[str, Any], files: Sequence[dict[str, Any]], notes: Sequence[str] = ()) -> Shards:
    """Write the index, after which the shards are there."""
    index = about | {"files": [{k: f[k] for k in ("file", "clips", "bytes")} for f in files], "notes": list(notes)}
    write_whole(folder / "index.json", json.dumps(index, indent=1))
    return Shards.read(folder)


def whole(folder: Path, say: Callable[[str], None]) -> Shards | None:
    try:
        found, sizes = Shards.read(folder), [f.get("bytes") for f in read_json(folder / "index.json")["files"]]
    except ValueError as error:
        say(f"the index of shards is written again: {error}")
        return None
    damaged = False
    for name, clips, size in zip(found.files, found.clips, sizes, strict=True):
        if why := damage(folder / name, clips, size):
            say(f"written again: {folder / name}: {why}")
            mark(folder / name).touch()
            damaged = True
    return None if damaged else found

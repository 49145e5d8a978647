"""Recordings: one modality of a Manifest's clips, decoded from the files themselves as its shards hold them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from datasets import corpora, modalities
from datasets.files.bad_file import BadFile
from datasets.manifest import Manifest
from datasets.modalities import Modality, Source

SHARD_BYTES = 64 << 20
Notes = dict[str, dict[str, str]]  # of each recording `video_file.Film.notes`


@dataclass(frozen=True)
class Recordings:
    """What decodes clips: the Manifest's columns, the folder and the Input. Small enough to send around."""

    clips: pa.Table
    layout: str
    root: Path
    modality: str
    input: Any

    @classmethod
    def of(cls, manifest: Manifest, modality: str, given_input: Any) -> Recordings:
        columns = manifest.clips.select([modality, f"{modality}_count"])
        return cls(columns, manifest.layout, manifest.root, modality, given_input)

    @property
    def how(self) -> Modality:
        return modalities.of(self.modality)

    @property
    def source(self) -> Source:
        return corpora.of(self.layout).source(self.modality)

    def bounds(self) -> list[int]:
        """Where each shard starts, and the end: at most SHARD_BYTES of clips each, and at least 8, for every core."""
        count = self.clips.num_rows
        per_shard = max(1, min(SHARD_BYTES // self.how.bytes(self.input), -(-count // 8)))
        return [*range(0, count, per_shard), count]

    def table(self, rows: Sequence[int]) -> pa.Table:
        """These manifest rows, as a shard holds them. Raises ValueError naming every file that can't be decoded."""
        table, bad, _ = self.tried(rows)
        if table is None:
            raise ValueError("\n".join(f"{self.root / b.file}: {b.reason}" for b in bad))
        return table

    def tried(self, rows: Sequence[int]) -> tuple[pa.Table | None, list[BadFile], Notes]:
        """`table`'s, or None and every file that is in its way, for of 100 clips several may be bad; and notes.

        Those are of recordings whose scan looked at headers alone.
        """
        notes: Notes = {}
        values, lengths = [], []
        bad: dict[BadFile, None] = {}  # views share their signals
        for name, count in self._clips(rows):
            try:
                one, length = self._load(name, count, notes) if name else self.how.missing(self.input)
                values.append(one)
                lengths.append(length)
            except (ValueError, OSError) as error:
                assert name
                bad[self._bad(name, str(error))] = None
        if bad:
            return None, list(bad), notes
        made = {
            "row": pa.array(rows, pa.int64()),
            self.modality: fixed(values, pa.from_numpy_dtype(self.how.dtype)),
            f"{self.modality}_length": pa.array(lengths, pa.int64()),
        }
        return pa.table(made), [], notes

    def files(self, rows: Sequence[int]) -> list[str]:
        """Of these clips, each once."""
        names = [name for name, _ in self._clips(rows) if name]
        return list(dict.fromkeys(file for name in names for file in self.source.files(name)))

    def _clips(self, rows: Sequence[int]) -> list[tuple[str | None, int]]:
        taken = self.clips.take(pa.array(rows, pa.int64()))
        return list(zip(*(column.to_pylist() for column in taken.columns), strict=True))

    def _load(self, name: str, count: int, notes: Notes) -> tuple[np.ndarray, int]:
        def note(found: Any) -> None:
            if self.source.by_header and found:
                notes[name] = dict(found)

        values, length = self.how.load(self.root, name, count, self.source, self.input, note)
        if values.shape != (shape := self.how.shape(self.input)):
            is_now, was = ("x".join(map(str, of)) for of in (values.shape, shape))
            raise ValueError(f"is {is_now} and doesn't fit into {was}: it changed while in use")
        return values, length

    def _bad(self, name: str, why: str) -> BadFile:
        """By the one file that is bad: of several sensors the error names it, or else the first has to do."""
        there = self.source.files(name)
        for file in there:
            if why.startswith(f"{self.root / file}: "):
                return BadFile(file, why.removeprefix(f"{self.root / file}: "))
        return BadFile(name, why) if len(there) < 2 else BadFile(there[0], f"with its other sensors, {why}")


def fixed(column: Sequence[np.ndarray], dtype: pa.DataType) -> pa.FixedSizeListArray:
    """A column of arrays of one shape, each flattened."""
    flat = np.ascontiguousarray(np.stack(column)).reshape(-1)
    return pa.FixedSizeListArray.from_arrays(pa.array(flat, dtype), column[0].size)

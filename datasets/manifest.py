"""Manifest: all clips of a corpus and its class names, as columns, with a digest."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from datasets.files.atomic import writing
from datasets.files.bad_file import BadFile

MAX_BYTES = 1 << 30


def schema(modalities: Iterable[str]) -> pa.Schema:
    """Of a Manifest's clips: `row` of a clip is its place in this table. A corpus may have further columns.

    Of each modality the recording's path below the root, null where the clip has none, then 0 samples or frames and no
    digest; of MMAct's sensors four paths with | between.
    """
    columns: list[tuple[str, pa.DataType]] = [("clip", pa.string())]
    columns += [(name, pa.int32()) for name in ("subject", "trial", "label")]
    for name in sorted(modalities):
        columns += [(name, pa.string()), (f"{name}_count", pa.int32()), (f"{name}_content", pa.string())]
    return pa.schema(columns)


@dataclass(frozen=True)
class Manifest:
    """`root` is where the recordings lie; it is no part of the digest, so a copy of a corpus is the same corpus."""

    corpus: str
    shows: Mapping[str, str]  # what recordings show, by modality, where that varies: "RGB", "depth", "drawn figure"
    layout: str  # which of `corpora.CORPORA` understands it: "utd-mhad", "mmact"
    classes: tuple[str, ...]
    clips: pa.Table
    root: Path
    bad: tuple[BadFile, ...] = field(default=())
    notes: tuple[str, ...] = ()  # what a reader of results should know of the recordings, in words

    @cached_property
    def modalities(self) -> tuple[str, ...]:
        """By name."""
        names = self.clips.column_names
        return tuple(sorted(name for name in names if {f"{name}_count", f"{name}_content"} <= set(names)))

    def of(self, modalities: Iterable[str]) -> "Manifest":
        """The same clips with the recordings of these modalities alone. Raises ValueError for one that isn't there."""
        asked = set(modalities)
        if lacking := asked - set(self.modalities):
            raise ValueError(f"{self.corpus}: has no recordings of {', '.join(sorted(lacking))}.")
        others = [n for m in self.modalities if m not in asked for n in (m, f"{m}_count", f"{m}_content")]
        shows = {name: words for name, words in self.shows.items() if name in asked}
        return replace(self, shows=shows, clips=self.clips.drop_columns(others))

    @cached_property
    def digest(self) -> str:
        h = hashlib.sha256()
        shows = [(name, self.shows[name]) for name in self.modalities if name in self.shows]
        h.update(json.dumps([self.layout, shows, self.classes, self.modalities]).encode())
        for name in ("clip", "subject", "label", *(f"{modality}_content" for modality in self.modalities)):
            h.update(json.dumps(self.clips.column(name).to_pylist()).encode())
        return h.hexdigest()[:16]

    def digest_of(self, modalities: tuple[str, ...]) -> str:
        """That of these modalities alone, computed once: a plan asks for it with every run."""
        if modalities not in self._digests:
            self._digests[modalities] = self.of(modalities).digest
        return self._digests[modalities]

    @cached_property
    def _digests(self) -> dict[tuple[str, ...], str]:
        return {}

    def longest(self, modality: str, rate: int | None = None) -> int:
        """Samples or frames of the longest recording; at a rate in Hz, for a corpus with time stamps, of the longest
        signal with all channels on one time axis."""
        if rate is not None:
            return int(np.max(self.clips.column("seconds").to_numpy()) * rate) + 1
        return int(np.max(self.clips.column(f"{modality}_count").to_numpy()))

    def write(self, file: Path) -> None:
        about = {
            "corpus": self.corpus,
            "shows": dict(self.shows),
            "layout": self.layout,
            "classes": self.classes,
            "root": str(self.root),
            "bad": [[b.file, b.reason] for b in self.bad],
            "notes": self.notes,
            "digest": self.digest,
        }
        file.parent.mkdir(parents=True, exist_ok=True)
        with writing(file) as part:
            table = self.clips.replace_schema_metadata({"manifest": json.dumps(about)})
            pq.write_table(table, part, write_page_checksum=True)

    @staticmethod
    def read(file: Path) -> "Manifest":
        """Raises ValueError naming a file that can't be read, or that names recordings outside of its root."""
        try:
            if file.stat().st_size > MAX_BYTES:
                raise ValueError(f"it is larger than {MAX_BYTES >> 20} MB")
            clips = pq.read_table(file, page_checksum_verification=True)
            about = json.loads(clips.schema.metadata[b"manifest"])
            found = Manifest._of(clips, about)
            found._check(about["digest"])
        except FileNotFoundError:
            raise
        except (OSError, pa.ArrowException, ValueError, KeyError, TypeError, RecursionError, MemoryError) as error:
            raise ValueError(f"{file}: is no manifest that can be read ({type(error).__name__}: {error}).") from None
        return found

    def _check(self, digest: str) -> None:
        """Raises ValueError for what no reader of a corpus writes; `digest` is the one it was written with."""
        if not self.modalities or not set(schema(self.modalities)) <= set(self.clips.schema):
            raise ValueError("its columns are others")
        for name in self.clips.column_names:
            if self.clips.column(name).null_count and name not in self.modalities:
                raise ValueError(f"its column {name} has gaps")
        labels = self.clips.column("label").to_pylist()
        if labels and not 0 <= min(labels) <= max(labels) < len(self.classes):
            raise ValueError(f"its labels go from {min(labels)} to {max(labels)}, its classes are {len(self.classes)}")
        for name in self.modalities:
            names = "|".join(filter(None, self.clips.column(name).to_pylist()))  # MMAct's imu names four files so
            for path in map(PurePosixPath, names.split("|")):
                if path.is_absolute() or ".." in path.parts:
                    raise ValueError(f"{path} lies outside of its recordings")
        if digest != self.digest:
            raise ValueError(f"its content has the digest {self.digest}, not {digest}")

    @staticmethod
    def _of(clips: pa.Table, about: dict[str, Any]) -> "Manifest":
        return Manifest(
            corpus=about["corpus"],
            shows=dict(about["shows"]),
            layout=about["layout"],
            classes=tuple(about["classes"]),
            clips=clips.replace_schema_metadata(None),
            root=Path(about["root"]),
            bad=tuple(BadFile(*b) for b in about["bad"]),
            notes=tuple(about["notes"]),
        )

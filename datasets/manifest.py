"""Manifest: all clips of a corpus and its class names, as columns, with a digest."""

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from datasets.files.atomic import writing
from datasets.files.bad_file import BadFile

MAX_BYTES = 1 << 30

# `row` of a clip is its place in this table; `content` is a digest of its files. A corpus may have further columns.
SCHEMA = pa.schema(
    [
        ("clip", pa.string()),
        ("subject", pa.int32()),
        ("trial", pa.int32()),
        ("label", pa.int32()),
        ("video", pa.string()),
        ("imu", pa.string()),
        ("frames", pa.int32()),
        ("samples", pa.int32()),
        ("content", pa.string()),
    ]
)


@dataclass(frozen=True)
class Manifest:
    """`root` is where the recordings lie; it is no part of the digest, so a copy of a corpus is the same corpus."""

    corpus: str
    video: str  # what the video shows: "RGB", "depth", "drawn figure"
    layout: str  # which of `corpora.CORPORA` understands it: "utd-mhad", "mmact"
    classes: tuple[str, ...]
    clips: pa.Table
    root: Path
    bad: tuple[BadFile, ...] = field(default=())
    notes: tuple[str, ...] = ()  # what a reader of results should know of the recordings, in words

    @cached_property
    def digest(self) -> str:
        h = hashlib.sha256()
        h.update(json.dumps([self.layout, self.video, self.classes]).encode())
        for name in ("clip", "subject", "label", "content"):
            h.update(json.dumps(self.clips.column(name).to_pylist()).encode())
        return h.hexdigest()[:16]

    @cached_property
    def max_samples(self) -> int:
        return int(np.max(self.clips.column("samples").to_numpy()))

    def samples_at(self, rate: int) -> int:
        """Of the longest signal with all channels on one time axis; for a corpus with time stamps."""
        return int(np.max(self.clips.column("seconds").to_numpy()) * rate) + 1

    def write(self, file: Path) -> None:
        about = {
            "corpus": self.corpus,
            "video": self.video,
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
            if not set(SCHEMA) <= set(clips.schema.remove_metadata()):
                raise ValueError("its columns are others")
            found = Manifest._of(clips, json.loads(clips.schema.metadata[b"manifest"]))
            found._check(json.loads(clips.schema.metadata[b"manifest"]).get("digest"))
        except FileNotFoundError:
            raise
        except (OSError, pa.ArrowException, ValueError, KeyError, TypeError, RecursionError, MemoryError) as error:
            raise ValueError(f"{file}: is no manifest that can be read ({type(error).__name__}: {error}).") from None
        return found

    def _check(self, digest: str | None) -> None:
        """Raises ValueError for what no reader of a corpus writes; `digest` is the one it was written with."""
        for name in self.clips.column_names:
            if self.clips.column(name).null_count:
                raise ValueError(f"its column {name} has gaps")
        labels = self.clips.column("label").to_pylist()
        if labels and not 0 <= min(labels) <= max(labels) < len(self.classes):
            raise ValueError(f"its labels go from {min(labels)} to {max(labels)}, its classes are {len(self.classes)}")
        for name in ("video", "imu"):
            names = "|".join(self.clips.column(name).to_pylist())  # MMAct's imu names four files so
            for path in map(PurePosixPath, names.split("|")):
                if path.is_absolute() or ".." in path.parts:
                    raise ValueError(f"{path} lies outside of its recordings")
        if digest not in (None, self.digest):  # older files have none
            raise ValueError(f"its content has the digest {self.digest}, not {digest}")

    @staticmethod
    def _of(clips: pa.Table, about: dict[str, Any]) -> "Manifest":
        return Manifest(
            corpus=about["corpus"],
            video=about["video"],
            layout=about["layout"],
            classes=tuple(about["classes"]),
            clips=clips.replace_schema_metadata(None),
            root=Path(about["root"]),
            bad=tuple(BadFile(*b) for b in about["bad"]),
            notes=tuple(about.get("notes", ())),  # older files have none
        )

"""A corpus is a reader that turns a folder of recordings into a Manifest; this is the list of them."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from datasets.corpora import utd_mhad
from datasets.manifest import BadRecordings, Manifest

# The synthetic corpus is written in UTD-MHAD's layout, so UTD-MHAD's reader takes it.
VERSION = 1  # raise it when a reader judges files otherwise: what was remembered of them is read again
READERS = {"utd-mhad": utd_mhad, "synthetic": utd_mhad}


def read(
    corpus: str, folder: Path, cache: Path, *, skip_bad: bool = False, say: Callable[[str], None] = print
) -> Manifest:
    """The Manifest of `folder`, remembered in `cache` for as long as no file's size or time changes.

    `say` is told where what was remembered is damaged; then the folder is read again.
    Raises BadRecordings, naming every bad file, unless `skip_bad`: then they are left out and listed in the Manifest.
    """
    reader = READERS[corpus]
    seen = hashlib.sha256(f"{VERSION} {corpus} {folder.resolve()}".encode())
    for file in reader.listing(folder):
        stat = file.stat()
        seen.update(f"{file.name} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    remembered = cache / f"{seen.hexdigest()[:16]}.parquet"
    manifest = _remembered(remembered, say)
    if manifest is None:
        manifest = reader.read(folder)
        manifest.write(remembered)
    if manifest.bad and not skip_bad:
        raise BadRecordings(folder, manifest.bad)
    if manifest.clips.num_rows == 0:
        raise ValueError(f"{folder}: no whole recording is left; {len(manifest.bad)} files are bad.")
    return replace(manifest, root=folder.resolve())


def _remembered(file: Path, say: Callable[[str], None]) -> Manifest | None:
    try:
        return Manifest.read(file) if file.exists() else None
    except ValueError as error:
        say(f"the recordings are read again: {error}")
        return None

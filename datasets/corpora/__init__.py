"""The corpora there are, and how a folder of recordings becomes a Manifest. A new one: datasets/README.md."""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from datasets import modalities as known
from datasets import undecoded
from datasets.corpora import missing, mmact
from datasets.corpora.registry import CORPORA, SUMMARY, of, summary
from datasets.files import listing
from datasets.files.bad_file import BadFile, BadRecordings
from datasets.manifest import Manifest

__all__ = ["CORPORA", "SUMMARY", "of", "read", "summary"]

VERSION = 4  # raise it when a reader judges files otherwise: what was remembered of them is read again
AWAY = "is kept in iCloud and not downloaded: open its folder in the Finder and download it"


def read(
    corpus: str,
    folder: Path,
    cache: Path,
    modalities: Sequence[str],
    *,
    skip_bad: bool = False,
    desk_classes: bool = False,
    missing_sensors: str = "pad",
    say: Callable[[str], None] = print,
) -> Manifest:
    """The Manifest of `folder`, of the recordings of these modalities; no other's is opened, or needs to be there.

    It is remembered in `cache` for as long as no file's size or time changes; `say` is told where what was remembered
    is damaged, and then the folder is read again. `desk_classes` and `missing_sensors` ("pad" or "exclude") are
    MMAct's. Raises BadRecordings, naming every bad file, unless `skip_bad`: then they are left out and listed in the
    Manifest, with those that an earlier start couldn't decode.
    """
    reader, names = of(corpus), tuple(sorted(set(modalities)))
    if reader is not mmact.CORPUS and (desk_classes or missing_sensors != "pad"):
        raise ValueError(f"--corpus {corpus}: --desk-classes and --missing-sensors are for MMAct alone.")
    for name in names:
        known.of(name)
        if reader.only and name not in reader.only:
            raise ValueError(f"--corpus {corpus}: has no recordings of {name}, only of {', '.join(reader.only)}.")
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder. Give the one that holds the recordings with --recordings.")
    remembered = cache / f"{_seen(corpus, folder, names)}.parquet"
    manifest = _remembered(remembered, say)
    if manifest is None:
        manifest = reader.read(folder, names)
        manifest = replace(manifest, bad=(*manifest.bad, *_away(folder, names)))
        manifest.write(remembered)
    if manifest.bad and not skip_bad:
        raise BadRecordings(folder, manifest.bad)
    if skip_bad:
        manifest = undecoded.without(cache, manifest, reader.source)
    if reader is mmact.CORPUS:
        manifest = mmact.with_missing(manifest, missing.POLICIES[missing_sensors])
        manifest = mmact.with_desk_classes(manifest) if desk_classes else manifest
        manifest = mmact.with_cameras(manifest)
    if manifest.clips.num_rows == 0:
        raise ValueError(f"{folder}: no whole recording is left; {len(manifest.bad)} files are bad.")
    return replace(manifest, root=folder.resolve())


def _seen(corpus: str, folder: Path, names: Sequence[str]) -> str:
    """A digest that stays the same as long as the folder's Manifest does."""
    seen = hashlib.sha256(f"{VERSION} {corpus} {' '.join(names)} {folder.resolve()}".encode())
    for line in of(corpus).seen(folder):
        seen.update(os.fsencode(line))
    return seen.hexdigest()[:16]


def _away(folder: Path, names: Sequence[str]) -> list[BadFile]:
    """Files that a cloud keeps, less those of other modalities."""
    found = []
    for file in listing.not_downloaded(folder):
        kind = known.of_file(file.name)
        if kind is None or kind[0] in names:
            found.append(BadFile(str(file.relative_to(folder)), AWAY))
    return found


def _remembered(file: Path, say: Callable[[str], None]) -> Manifest | None:
    try:
        return Manifest.read(file) if file.exists() else None
    except ValueError as error:
        say(f"the recordings are read again: {error}")
        return None

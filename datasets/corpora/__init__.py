"""The corpora there are, and how a folder of recordings becomes a Manifest. A new one: datasets/README.md."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np

from datasets import undecoded
from datasets.corpora import mmact
from datasets.corpora.corpus import Corpus
from datasets.files import listing
from datasets.files.bad_file import BadFile, BadRecordings
from datasets.files.sandbox import Found
from datasets.manifest import Manifest
from datasets.signals import units

VERSION = 3  # raise it when a reader judges files otherwise: what was remembered of them is read again
SUMMARY = "datasets.corpora:summary"
AWAY = "is kept in iCloud and not downloaded: open its folder in the Finder and download it"
# Of `--corpus`, by the file of this folder that reads them: a synthetic corpus is written in a real one's layout. A
# Manifest's layout is one of these names too.
CORPORA = {
    "utd-mhad": "utd_mhad",
    "mmact": "mmact",
    "class-folders": "class_folders",
    "synthetic": "utd_mhad",
    "synthetic-mmact": "mmact",
}


def of(name: str) -> Corpus:
    return import_module(f"datasets.corpora.{CORPORA[name]}").CORPUS


def read(
    corpus: str,
    folder: Path,
    cache: Path,
    *,
    skip_bad: bool = False,
    desk_classes: bool = False,
    missing_sensors: str = "pad",
    say: Callable[[str], None] = print,
) -> Manifest:
    """The Manifest of `folder`, remembered in `cache` for as long as no file's size or time changes.

    `say` is told where what was remembered is damaged; then the folder is read again. `desk_classes` and
    `missing_sensors` ("pad" or "exclude") are MMAct's. Raises BadRecordings, naming every bad file, unless `skip_bad`:
    then they are left out and listed in the Manifest, with those that an earlier start couldn't decode.
    """
    reader = of(corpus)
    if reader is not mmact.CORPUS and (desk_classes or missing_sensors != "pad"):
        raise ValueError(f"--corpus {corpus}: --desk-classes and --missing-sensors are for MMAct alone.")
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder. Give the one that holds the recordings with --recordings.")
    seen = hashlib.sha256(f"{VERSION} {corpus} {folder.resolve()}".encode())
    for line in reader.seen(folder):
        seen.update(os.fsencode(line))
    remembered = cache / f"{seen.hexdigest()[:16]}.parquet"
    manifest = _remembered(remembered, say)
    if manifest is None:
        manifest = reader.read(folder)
        away = [BadFile(str(file.relative_to(folder)), AWAY) for file in listing.not_downloaded(folder)]
        manifest = replace(manifest, bad=(*manifest.bad, *away))
        manifest.write(remembered)
    if manifest.bad and not skip_bad:
        raise BadRecordings(folder, manifest.bad)
    if skip_bad:
        manifest = undecoded.without(cache, manifest)
    if reader is mmact.CORPUS:
        manifest = mmact.with_all_sensors(manifest) if missing_sensors == "exclude" else manifest
        manifest = mmact.with_desk_classes(manifest) if desk_classes else manifest
        manifest = mmact.noted(manifest)
    if manifest.clips.num_rows == 0:
        raise ValueError(f"{folder}: no whole recording is left; {len(manifest.bad)} files are bad.")
    return replace(manifest, root=folder.resolve())


def _remembered(file: Path, say: Callable[[str], None]) -> Manifest | None:
    try:
        return Manifest.read(file) if file.exists() else None
    except ValueError as error:
        say(f"the recordings are read again: {error}")
        return None


def signal(layout: str, root: Path, imu: str, rate: int | None = None) -> np.ndarray:
    """(S, C) float32 of a clip's inertial recording, as the Manifest's column imu names it.

    Raises ValueError as `check` does.
    """
    return check(layout, of(layout).signal(root, imu, rate))


def summary(file: Path, layout: str) -> Found:
    """Of one file with a signal as the corpus reads it, by `sandbox.examine(SUMMARY, file, layout)`."""
    found = signal(layout, file.parent, file.name)
    return Found(len(found), levels=units.levels(found))


def check(layout: str, signal: np.ndarray) -> np.ndarray:
    """The signal as float32. Raises ValueError unless it is (S, C) finite numbers of the corpus's C channels."""
    corpus = of(layout)
    if signal.ndim != 2 or not len(signal) or signal.shape[1] != corpus.channels:
        raise ValueError(f"is {'x'.join(map(str, signal.shape))}, not samples x {corpus.channels}")
    bad = ~np.isfinite(signal)
    if corpus.gaps:
        axes = np.isnan(signal).reshape(len(signal), -1, 3)
        bad &= ~np.repeat(axes.all(axis=2), 3, axis=1)
    if bad.any():
        raise ValueError(f"has {int(bad.sum())} values that are NaN or infinite")
    return signal.astype(np.float32, copy=False)

"""Pairs: clips of one video and one file of the sensor each, as most corpora have them."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from datasets import apart, cpus, inertial
from datasets.manifest import SCHEMA, BadFile


class Pair(NamedTuple):
    """A clip by its two files; one that isn't there is None. `label` is the class's number, from 0."""

    clip: str
    subject: int
    trial: int
    label: int
    video: Path | None
    imu: Path | None


def seen(folder: Path) -> Iterator[str]:
    """Name, size and time of every file below the folder: while these stay, so does the Manifest."""
    for parent, folders, files in os.walk(folder, followlinks=True):
        folders.sort()
        for name in sorted(name for name in files if not name.startswith(".")):
            file = Path(parent, name)
            stat = file.stat() if file.exists() else file.lstat()  # a link to nothing is named by who reads it
            yield f"{file.relative_to(folder)} {stat.st_size} {stat.st_mtime_ns}\n"


def signal(root: Path, imu: str, rate: int | None) -> np.ndarray:
    """(S, 6) of what a Manifest's column imu names: one sensor, whose samples are of the same moments as they are."""
    if rate is not None:
        raise ValueError(f"rate={rate}: this corpus has one rate and no time stamps; leave the recipe's rate out.")
    return inertial.read_signal(root / imu)


def own(path: Path) -> str:
    """A file's own name."""
    if path.suffix.lower() not in inertial.SIGNALS or path.is_dir():
        raise ValueError(f"is neither of {', '.join(inertial.SIGNALS)}")
    return path.name


def checked(folder: Path, layout: str, pairs: Sequence[Pair]) -> tuple[pa.Table, list[BadFile]]:
    """The Manifest's clips, in the order of `pairs`, and the files that are bad: those clips are left out.

    Decodes every frame once, and reads every signal as the corpus `layout` does, each in a process apart.
    """
    with ThreadPoolExecutor(cpus.usable()) as pool:
        found = list(pool.map(lambda pair: _check(folder, layout, pair), pairs))
    rows = [row for row in found if isinstance(row, dict)]
    return pa.Table.from_pylist(rows, schema=SCHEMA), [bad for row in found if isinstance(row, list) for bad in row]


def _check(folder: Path, layout: str, pair: Pair) -> dict | list[BadFile]:
    """A clip's row of the Manifest, or what is wrong with it."""
    bad, names, counts, digest = [], {}, {}, hashlib.sha256()
    files = {"video": pair.video, "imu": pair.imu}
    for name, file in files.items():
        if file is None:
            continue
        names[name] = str(file.relative_to(folder))
        try:
            counts[name] = apart.count("video" if name == "video" else layout, file)
        except (ValueError, OSError) as error:
            bad.append(BadFile(names[name], str(error)))
    for name, beside, kind in (("video", "imu", "video"), ("imu", "video", "inertial")):
        if files[name] is None:
            bad.append(BadFile(names[beside], f"has no {kind} recording beside it"))
    if bad:
        return bad
    for file in (pair.video, pair.imu):
        assert file
        with file.open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    sizes = {"frames": counts["video"], "samples": counts["imu"], "content": digest.hexdigest()[:16]}
    return {"clip": pair.clip, "subject": pair.subject, "trial": pair.trial, "label": pair.label} | names | sizes

"""Pairs: clips of one video and one file of the sensor each, as most corpora have them."""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from datasets import cpus
from datasets.corpora import remarks
from datasets.files import listing, sandbox
from datasets.files.bad_file import BadFile
from datasets.manifest import SCHEMA
from datasets.signals import inertial
from datasets.videos.video_file import SUMMARY

SIGNAL_SUMMARY = "datasets.corpora:summary"


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
    for path in listing.walk(folder):
        if not path.is_dir():
            yield listing.stamp(path, folder)


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


def checked(
    folder: Path,
    layout: str,
    pairs: Sequence[Pair],
    stated: Sequence[str | None] = (),
    hz: float | None = None,
) -> tuple[pa.Table, list[BadFile], list[str]]:
    """The Manifest's clips, in the order of `pairs`; the files that are bad, whose clips are left out; and notes.

    Decodes every frame once, and reads every signal as the corpus `layout` does, each in a process apart. `stated` is
    the unit of each triplet of axes and `hz` the rate of the signals, where they are known: what can't be is noted.
    """
    with ThreadPoolExecutor(cpus.usable()) as pool:
        found = list(pool.map(lambda pair: _check(folder, layout, pair), pairs))
    rows = [clip.row for clip in found if not clip.bad]
    whole = [clip.files for clip in found if not clip.bad]
    notes = remarks.of_videos({clip["video"][0]: clip["video"][1].notes for clip in whole})
    notes += remarks.of_signals([clip["imu"][1].levels for clip in whole], stated)
    plain = [clip for clip in whole if "slow" not in clip["video"][1].notes]
    counts, seconds = [clip["imu"][1].count for clip in plain], [clip["video"][1].seconds for clip in plain]
    notes += remarks.of_rates(counts, seconds, hz)
    notes += remarks.of_content([row["clip"] for row in rows], [row["content"] for row in rows])
    return pa.Table.from_pylist(rows, schema=SCHEMA), [bad for clip in found for bad in clip.bad], notes


class Checked(NamedTuple):
    """Of a clip its row of the Manifest and what its files hold, by name; or what is wrong with it."""

    row: dict[str, Any]
    files: dict[str, tuple[str, sandbox.Found]]
    bad: list[BadFile]


def _check(folder: Path, layout: str, pair: Pair) -> Checked:
    bad, files = [], {}
    given = {"video": pair.video, "imu": pair.imu}
    for name, file in given.items():
        if file is None:
            continue
        shown = str(file.relative_to(folder))
        try:
            if not listing.is_text(shown):
                raise ValueError("has a name that is no UTF-8: rename it")
            how = (SUMMARY,) if name == "video" else (SIGNAL_SUMMARY, layout)
            files[name] = shown, sandbox.examine(how[0], file, *how[1:])
        except (ValueError, OSError) as error:
            bad.append(BadFile(shown, str(error)))
    for name, beside, kind in (("video", "imu", "video"), ("imu", "video", "inertial")):
        if given[name] is None and (there := given[beside]):
            bad.append(BadFile(str(there.relative_to(folder)), f"has no {kind} recording beside it"))
    if bad:
        return Checked({}, {}, bad)
    digest = hashlib.sha256()
    for file in (pair.video, pair.imu):
        assert file
        with file.open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    row = {"clip": pair.clip, "subject": pair.subject, "trial": pair.trial, "label": pair.label}
    row |= {name: shown for name, (shown, _) in files.items()}
    row |= {"frames": files["video"][1].count, "samples": files["imu"][1].count, "content": digest.hexdigest()[:16]}
    return Checked(row, files, [])

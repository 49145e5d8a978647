"""Recordings: clips of one file for each modality, as most corpora have them."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import file_digest
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from datasets import cpus, modalities
from datasets.corpora import missing, registry, remarks
from datasets.files import listing, sandbox
from datasets.files.bad_file import BadFile
from datasets.manifest import schema


class Recorded(NamedTuple):
    """A clip by its files, of each modality that it has one of. `label` is the class's number, from 0."""

    clip: str
    subject: int
    trial: int
    label: int
    files: Mapping[str, Path]


class Checked(NamedTuple):
    """Of a clip its row of the Manifest, what its files hold and which modalities it lacks; or what is bad."""

    row: dict[str, Any]
    found: dict[str, sandbox.Found]
    lacking: list[str]
    bad: list[BadFile]


def checked(
    folder: Path, layout: str, clips: Sequence[Recorded], names: Sequence[str], lacking: missing.Policy = "error"
) -> tuple[pa.Table, list[BadFile], list[str]]:
    """The Manifest's clips, in the order of `clips`; the files that are bad, whose clips are left out; and notes.

    Of the modalities `names` every file is read to its end, as the corpus `layout` reads it, in a process apart.
    `lacking` says what a clip without a recording of one of them is.
    """
    with ThreadPoolExecutor(cpus.usable()) as pool:
        every = list(pool.map(lambda clip: _check(folder, layout, clip, names, lacking), clips))
    sound = [clip for clip in every if not clip.bad]
    keep = missing.kept(lacking, [clip.lacking for clip in sound])
    whole = [clip for clip, kept in zip(sound, keep, strict=True) if kept]
    notes = missing.notes(lacking, [clip.lacking for clip in sound], "clips", "a recording")
    for name in names:
        modality, source = modalities.of(name), registry.of(layout).source(name)
        those = [clip for clip in whole if name in clip.found]
        notes += modality.remarks({clip.row[name]: clip.found[name] for clip in those}, source)
        notes += modality.remarks_beside([clip.found for clip in those], source)
    contents = [tuple(clip.row[f"{name}_content"] for name in names) for clip in whole]
    notes += remarks.of_content([clip.row["clip"] for clip in whole], contents)
    table = pa.Table.from_pylist([clip.row for clip in whole], schema=schema(names))
    return table, [bad for clip in every for bad in clip.bad], notes


def _check(folder: Path, layout: str, clip: Recorded, names: Sequence[str], policy: missing.Policy) -> Checked:
    there = {name: clip.files[name] for name in names if name in clip.files}
    lacking = [name for name in names if name not in there]
    bad, found = [], {}
    row: dict[str, Any] = {"clip": clip.clip, "subject": clip.subject, "trial": clip.trial, "label": clip.label}
    row |= {key: value for name in lacking for key, value in _columns(name, None, 0, "").items()}
    for name, file in there.items():
        shown = str(file.relative_to(folder))
        try:
            if not listing.is_text(shown):
                raise ValueError("has a name that is no UTF-8: rename it")
            found[name] = sandbox.examine(registry.SUMMARY, file, name, layout)
            with file.open("rb") as content:
                digest = file_digest(content, "sha256").hexdigest()[:16]
            row |= _columns(name, shown, found[name].count, digest)
        except (ValueError, OSError) as error:
            bad.append(BadFile(shown, str(error)))
    if there:
        bad += missing.errors(policy, lacking, str(next(iter(there.values())).relative_to(folder)))
    return Checked(row, found, lacking, bad)


def _columns(name: str, recording: str | None, count: int, content: str) -> dict[str, Any]:
    return {name: recording, f"{name}_count": count, f"{name}_content": content}

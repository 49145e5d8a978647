"""A folder for each class, as in UCF-101 (Soomro et al., 2012), with the sensor's CSV beside each video.

    CLASS/v_CLASS_g03_c01.avi  CLASS/v_CLASS_g03_c01.csv

A group is a person, a clip one of their trials. The CSV's columns are ax, ay, az (g, gravity included) and gx, gy, gz
(deg/s), a line a sample at 50 Hz. UCF-101 has no sensor: this is its layout, for recordings of one's own. A file of
another modality is called the same, with that one's ending.
"""

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from datasets import modalities
from datasets.corpora.corpus import Corpus
from datasets.corpora.recordings import Recorded, checked
from datasets.files.bad_file import BadFile
from datasets.files.listing import entries, is_text, some
from datasets.manifest import Manifest
from datasets.modalities import Source
from datasets.signals import inertial
from datasets.spec import Protocol

NAME = re.compile(r"v_(.+)_g(\d{1,6})_c(\d{1,6})")


def read(folder: Path, names: Sequence[str]) -> Manifest:
    """Every whole clip by class and name; what is bad is listed in `Manifest.bad`."""
    classes, bad = _classes(folder)
    clips, elsewhere = [], []
    for label, (name, entered) in enumerate(classes.items()):
        found, misnamed = _by_stem(entered, names)
        why = f"is not named v_CLASS_gN_cN and {', '.join(_endings(names))}, once"
        bad += [BadFile(str(file.relative_to(folder)), why) for file in misnamed]
        others = {_plain(other) for other in classes if other != name}
        for stem, files in found.items():
            named, group, clip = NAME.fullmatch(stem).groups()  # pyright: ignore[reportOptionalMemberAccess]
            clips.append(Recorded(f"{name}/{stem}", int(group), int(clip), label, files))
            elsewhere += [f"{name}/{stem}"] if _plain(named) in others else []
    if not clips and not bad:
        raise ValueError(f"{folder}: has no folder CLASS/ with v_CLASS_g1_c1 and {', '.join(_endings(names))} in it.")
    table, unread, notes = checked(folder, "class-folders", clips, names)
    if elsewhere:
        notes.append(
            f"WARNING: clips named after another class than their folder: {len(elsewhere)} ({some(elsewhere)})"
        )
    bad = (*bad, *unread)
    shows = {"video": "RGB"} if "video" in names else {}
    return Manifest("class folders", shows, "class-folders", tuple(classes), table, folder.resolve(), bad, tuple(notes))


def _by_stem(entered: Sequence[Path], names: Sequence[str]) -> tuple[dict[str, dict[str, Path]], list[Path]]:
    """Of a class's files those of each clip, by modality, and those that are none's; other modalities' are left."""
    found: dict[str, dict[str, Path]] = {}
    misnamed = []
    for file in entered:
        modality, ending = modalities.of_file(file.name) or ("", "")
        stem = file.name[: len(file.name) - len(ending)]
        if modality and modality not in names:
            continue
        if not modality or not NAME.fullmatch(stem) or modality in found.get(stem, {}):
            misnamed.append(file)
        else:
            found.setdefault(stem, {})[modality] = file
    return found, misnamed


def _endings(names: Sequence[str]) -> list[str]:
    return [ending for name in names for ending in modalities.of(name).endings]


def _classes(folder: Path) -> tuple[dict[str, list[Path]], list[BadFile]]:
    """What each class's folder holds, and folders that can be none. An empty one is a class to come."""
    classes: dict[str, list[Path]] = {}
    bad = []
    for path in (p for p in entries(folder) if p.is_dir()):
        same = [name for name in classes if _plain(name) == _plain(path.name)]
        if not is_text(path.name):
            bad.append(BadFile(path.name, "has a name that is no UTF-8: rename it"))
        elif same:
            why = f"differs from {same[0]} in capitals, blanks or how its letters are stored alone: put them together"
            bad.append(BadFile(path.name, why))
        elif files := entries(path):
            classes[path.name] = files
    return classes, bad


def _plain(name: str) -> str:
    """A class's name as a person reads it; macOS stores letters and their accents apart."""
    return unicodedata.normalize("NFC", name).casefold().strip()


def _tests(first: int, last: int) -> Protocol:
    groups = range(first, last + 1)
    return Protocol("subject", tuple(g for g in range(1, 26) if g not in groups), tuple(groups), "cross-subject")


# UCF-101's three lists of 25 groups.
PROTOCOLS = {"split-1": _tests(1, 7), "split-2": _tests(8, 14), "split-3": _tests(15, 21)}
CORPUS = Corpus(read, PROTOCOLS, {"imu": Source(channels=6, units=inertial.UNITS, hz=inertial.HZ)})

"""A folder for each class, as in UCF-101 (Soomro et al., 2012), with the sensor's CSV beside each video.

    CLASS/v_CLASS_g03_c01.avi  CLASS/v_CLASS_g03_c01.csv

A group is a person, a clip one of their trials. The CSV's columns are ax, ay, az (g, gravity included) and gx, gy, gz
(deg/s), a line a sample at 50 Hz. UCF-101 has no sensor: this is its layout, for recordings of one's own.
"""

import re
import unicodedata
from pathlib import Path

from datasets.corpora import remarks
from datasets.corpora.corpus import Corpus
from datasets.corpora.pairs import Pair, checked
from datasets.files.bad_file import BadFile
from datasets.files.listing import entries, is_text
from datasets.manifest import Manifest
from datasets.signals import inertial
from datasets.spec import Protocol
from datasets.videos.video_file import VIDEOS

NAME = re.compile(r"v_(.+)_g(\d{1,6})_c(\d{1,6})")
KINDS = dict.fromkeys(VIDEOS, "video") | {".csv": "imu"}


def read(folder: Path) -> Manifest:
    """Every whole clip by class and name; what is bad is listed in `Manifest.bad`."""
    classes, bad = _classes(folder)
    pairs, elsewhere = [], []
    for label, (name, entered) in enumerate(classes.items()):
        found: dict[str, dict[str, Path]] = {}
        for file in entered:
            kind = KINDS.get(file.suffix.lower())
            if kind is None or not NAME.fullmatch(file.stem) or kind in found.get(file.stem, {}):
                why = "is not named v_CLASS_gN_cN.avi, or as another video, or .csv, once"
                bad.append(BadFile(str(file.relative_to(folder)), why))
            else:
                found.setdefault(file.stem, {})[kind] = file
        others = {_plain(other) for other in classes if other != name}
        for stem, files in found.items():
            named, group, clip = NAME.fullmatch(stem).groups()  # pyright: ignore[reportOptionalMemberAccess]
            pairs.append(Pair(f"{name}/{stem}", int(group), int(clip), label, files.get("video"), files.get("imu")))
            elsewhere += [f"{name}/{stem}"] if _plain(named) in others else []
    if not pairs and not bad:
        raise ValueError(f"{folder}: has no folder CLASS/ with v_CLASS_g1_c1.avi and .csv in it.")
    clips, unread, notes = checked(folder, "class-folders", pairs, inertial.UNITS, inertial.HZ)
    if elsewhere:
        named = f"{len(elsewhere)} ({remarks.some(elsewhere)})"
        notes.append(f"WARNING: clips named after another class than their folder: {named}")
    bad = (*bad, *unread)
    return Manifest("class folders", "RGB", "class-folders", tuple(classes), clips, folder.resolve(), bad, tuple(notes))


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
CORPUS = Corpus(read, PROTOCOLS, units=inertial.UNITS, hz=inertial.HZ)

"""A folder for each class, as in UCF-101 (Soomro et al., 2012), with the sensor's CSV beside each video.

    CLASS/v_CLASS_g03_c01.avi  CLASS/v_CLASS_g03_c01.csv

A group is a person, a clip one of their trials. The CSV's columns are ax, ay, az (g, gravity included) and gx, gy, gz
(deg/s), a line a sample at 50 Hz. UCF-101 has no sensor: this is its layout, for recordings of one's own.
"""

import re
from pathlib import Path

from datasets.corpora.corpus import Corpus
from datasets.corpora.pairs import Pair, checked
from datasets.manifest import BadFile, Manifest
from datasets.spec import Protocol

NAME = re.compile(r"v_\w+_g(\d{1,6})_c(\d{1,6})")
KINDS = {".avi": "video", ".mp4": "video", ".csv": "imu"}


def read(folder: Path) -> Manifest:
    """Every whole clip by class and name; what is bad is listed in `Manifest.bad`."""
    classes = sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    pairs, bad = [], []
    for label, name in enumerate(classes):
        found: dict[str, dict[str, Path]] = {}
        for file in sorted(p for p in (folder / name).iterdir() if not p.name.startswith(".")):
            kind = KINDS.get(file.suffix.lower())
            if kind is None or not NAME.fullmatch(file.stem) or kind in found.get(file.stem, {}):
                bad.append(BadFile(str(file.relative_to(folder)), "is not named v_CLASS_gN_cN.avi, .mp4 or .csv, once"))
            else:
                found.setdefault(file.stem, {})[kind] = file
        for stem, files in found.items():
            group, clip = map(int, NAME.fullmatch(stem).groups())  # pyright: ignore[reportOptionalMemberAccess]
            pairs.append(Pair(f"{name}/{stem}", group, clip, label, files.get("video"), files.get("imu")))
    if not pairs and not bad:
        raise ValueError(f"{folder}: has no folder CLASS/ with v_CLASS_g1_c1.avi and .csv in it.")
    clips, unread = checked(folder, "class-folders", pairs)
    return Manifest("class folders", "RGB", "class-folders", tuple(classes), clips, folder.resolve(), (*bad, *unread))


def _tests(first: int, last: int) -> Protocol:
    groups = range(first, last + 1)
    return Protocol("subject", tuple(g for g in range(1, 26) if g not in groups), tuple(groups), "cross-subject")


# UCF-101's three lists of 25 groups.
PROTOCOLS = {"split-1": _tests(1, 7), "split-2": _tests(8, 14), "split-3": _tests(15, 21)}
CORPUS = Corpus(read, PROTOCOLS)

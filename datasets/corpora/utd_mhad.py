"""UTD-MHAD: RGB/a{A}_s{S}_t{T}_color.avi, Inertial/a{A}_s{S}_t{T}_inertial.mat (Chen et al., ICIP 2015), and where
they are asked for Skeleton/a{A}_s{S}_t{T}_skeleton.mat and Depth/a{A}_s{S}_t{T}_depth.mat.

861 of 27 x 8 x 4 trials. An optional corpus.json names what the video shows; without one it is RGB.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from datasets.corpora import about
from datasets.corpora.corpus import Corpus
from datasets.corpora.recordings import Recorded, checked
from datasets.files.bad_file import BadFile
from datasets.files.listing import entries, is_copy
from datasets.manifest import Manifest
from datasets.modalities import Source
from datasets.signals import inertial
from datasets.spec import Protocol

CLASSES: tuple[str, ...] = tuple(
    "swipe_left swipe_right wave clap throw arm_cross basketball_shoot draw_x draw_circle_CW draw_circle_CCW"
    " draw_triangle bowling boxing baseball_swing tennis_swing arm_curl tennis_serve push knock catch pickup_throw"
    " jog walk sit2stand stand2sit lunge squat".split()
)

DOCUMENTS = ("skeleton_joint_order.txt",)  # that lie among the recordings
FOLDERS = {
    "video": ("RGB", "color.avi"),
    "imu": ("Inertial", "inertial.mat"),
    "skeleton": ("Skeleton", "skeleton.mat"),
    "depth": ("Depth", "depth.mat"),
}


def listing(folder: Path, modalities: Sequence[str]) -> list[tuple[str, Path]]:
    """The files of these modalities, each with its own, sorted; raises ValueError when the folder isn't one of these.

    The colour videos are given out in four archives, which unpack to RGB-part1/ to RGB-part4/; an archive that is
    unpacked into a folder of its name gives RGB/RGB/.
    """
    files = []
    for kind, (sub, suffix) in FOLDERS.items():
        if kind not in modalities:
            continue
        folders = _named(folder, sub)
        if not folders:
            packed = ", ".join(p.name for p in entries(folder) if p.suffix == ".zip" and p.name.startswith(sub))
            found = f"; it has {packed}: unpack it there" if packed else ""
            raise ValueError(
                f"{folder}: has no folder {sub}/ (UTD-MHAD keeps a{{A}}_s{{S}}_t{{T}}_{suffix} there){found}."
            )
        inner = [path for part in folders for path in _named(part, sub)]
        there = [(kind, f) for part in (*folders, *inner) for f in _recordings(part) if f not in inner]
        if not there:
            raise ValueError(f"{folders[0]}: is empty; {kind} recordings named a{{A}}_s{{S}}_t{{T}}_{suffix} go there.")
        files += there
    return sorted(files, key=lambda found: found[1])


def _recordings(folder: Path) -> list[Path]:
    return [path for path in entries(folder) if path.name.lower() not in DOCUMENTS]


def _named(folder: Path, sub: str) -> list[Path]:
    """The folders named `sub`, or as a part of it."""
    return [p for p in entries(folder) if re.fullmatch(rf"{sub}([-_ ]?part[-_ ]?\d+)?", p.name, re.I) and p.is_dir()]


def _index(
    folder: Path, files: list[tuple[str, Path]]
) -> tuple[dict[tuple[int, int, int], dict[str, Path]], list[BadFile]]:
    """(action, subject, trial) -> its files. By number, not by name: a10 comes after a9."""
    trials: dict[tuple[int, int, int], dict[str, Path]] = {}
    bad = []
    for kind, file in files:
        suffix, name = FOLDERS[kind][1], str(file.relative_to(folder))
        match = re.fullmatch(r"a([1-9]\d?)_s([1-9]\d{0,5})_t([1-9]\d{0,5})_" + re.escape(suffix), file.name, re.I)
        if not match:
            bad.append(BadFile(name, f"is not named a{{A}}_s{{S}}_t{{T}}_{suffix}"))
        elif int(match[1]) > len(CLASSES):
            bad.append(BadFile(name, f"action {match[1]} is not among the {len(CLASSES)}"))
        else:
            first = trials.setdefault((int(match[1]), int(match[2]), int(match[3])), {}).setdefault(kind, file)
            if not is_copy(file, first):
                bad.append(BadFile(name, f"differs from {first.relative_to(folder)}, the same recording: keep one"))
    return trials, bad


def read(folder: Path, modalities: Sequence[str]) -> Manifest:
    """Every whole trial in numerical order; what is bad is listed in `Manifest.bad`. Decodes every frame once."""
    name, shows = about.read(folder, "UTD-MHAD", {"video": "RGB"} if "video" in modalities else {})
    trials, bad = _index(folder, listing(folder, modalities))
    recorded = [
        Recorded(f"a{action}_s{subject}_t{trial}", subject, trial, action - 1, files)
        for (action, subject, trial), files in sorted(trials.items())
    ]
    clips, unread, notes = checked(folder, "utd-mhad", recorded, modalities)
    bad = (*bad, *unread)
    return Manifest(name, shows, "utd-mhad", CLASSES, clips, folder.resolve(), bad, tuple(notes))


PROTOCOLS = {
    # The paper's (section 4.1) and the data set's own.
    "odd-even": Protocol("subject", (1, 3, 5, 7), (2, 4, 6, 8), "cross-subject"),
    "even-odd": Protocol("subject", (2, 4, 6, 8), (1, 3, 5, 7), "cross-subject"),
    # Some published UTD-MHAD numbers are of this kind, which is easier: every tested person was trained on.
    "trials": Protocol("trial", (1, 2), (3, 4), "same subjects"),
}
CORPUS = Corpus(read, PROTOCOLS, {"imu": Source(channels=6, units=inertial.UNITS)}, only=tuple(FOLDERS))

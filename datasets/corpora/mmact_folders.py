"""Where MMAct's recordings lie: the folders of each session in every layout it is given out in, and the files in them.

A subject's folder may be there twice, zero-padded and not, a sensor's in several archives, and the challenge spreads a
session's clips over cross_view/ and cross_scene/: what belongs to one session is put together, file by file.
"""

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from datasets.files.bad_file import BadFile
from datasets.files.listing import entries, is_clutter, is_copy, is_text, printable
from datasets.signals.mmact_sensors import SENSORS

CLASSES: tuple[str, ...] = tuple(
    "carrying carrying_heavy carrying_light checking_time closing crouching drinking entering exiting fall jumping"
    " kicking loitering looking_around opening picking_up pocket_in pocket_out pointing pulling pushing running"
    " setting_down sitting sitting_down standing standing_up talking talking_on_phone throwing transferring_object"
    " using_pc using_phone walking waving_hand".split()
)
# By what is at most three digits for a subject and two for the rest: `instance` puts them into one number.
LEVELS = {"subject": "subject", "scene": "scene", "session": "session", "camera": "cam"}
SENSOR_PATH, VIEW_PATH = ("subject", "scene", "session"), ("subject", "camera", "scene", "session")

DEEP = 3  # levels below a folder that are searched

Path3 = tuple[int, int, int]  # subject, scene, session


class Session(NamedTuple):
    """The folders of one session: of each sensor, and of each camera with its videos or its poses."""

    sensors: defaultdict[str, list[Path]]
    cameras: defaultdict[int, list[Path]]
    poses: defaultdict[int, list[Path]]


def find(folder: Path, names: Sequence[str]) -> tuple[dict[Path3, Session], list[BadFile]]:
    """The sessions below a folder, and the folders that aren't named as one. Raises ValueError where it is no MMAct, or
    holds no recordings of the modalities `names`."""
    roots = _roots(folder)
    sensors, videos, poses = roots
    _check(folder, roots, names)
    for root in (*videos, *poses, *(path for _, path in sensors)):
        if not is_text(str(root.relative_to(folder))):
            raise ValueError(f"{printable(str(root))}: has a name that is no UTF-8; rename it.")
    found: defaultdict[Path3, Session] = defaultdict(lambda: Session(*(defaultdict(list) for _ in range(3))))
    bad: list[BadFile] = []

    def refuse(paths: list[Path], levels: tuple[str, ...]) -> None:
        like = "/".join(f"{LEVELS[level]}N" for level in levels)
        bad.extend(BadFile(str(p.relative_to(folder)), f"is not named as in {like}") for p in paths if p.is_dir())

    for sensor, root in sensors:
        wrong: list[Path] = []
        for (subject, scene, session), path in _folders(root, SENSOR_PATH, wrong):
            found[subject, scene, session].sensors[sensor].append(path)
        refuse(wrong, SENSOR_PATH)
    for kind, root in [*(("video", root) for root in videos), *(("skeleton", root) for root in poses)]:
        wrong = []
        for (subject, camera, scene, session), path in _folders(root, VIEW_PATH, wrong):
            of = found[subject, scene, session]
            (of.cameras if kind == "video" else of.poses)[camera].append(path)
        # Beside its subjects may lie the sensors' folders and anything else.
        if kind == "video" or kind in names:
            refuse([p for p in wrong if p.parent != root or p.name.casefold().startswith("subj")], VIEW_PATH)
    return dict(found), bad


class Roots(NamedTuple):
    """The sensors' folders, and those that hold subjectN/camN, of videos and of poses."""

    sensors: list[tuple[str, Path]]
    videos: list[Path]
    poses: list[Path]


def _roots(folder: Path) -> Roots:
    """Up to DEEP levels down, and as far again below a folder that is called pose."""
    found = Roots([], [], [])
    level = [folder]
    for _ in range(DEEP):
        below = []
        for parent in level:
            inner = [path for path in entries(parent) if path.is_dir()]
            subjects = [p for p in inner if _number("subject", p.name) is not None]
            if any(any(p.glob("cam[0-9]*")) for p in subjects):
                found.videos.append(parent)
            for path in (p for p in inner if p not in subjects):
                sensor = path.name.removesuffix("_clip")
                if path.name.endswith("_clip") and sensor in SENSORS:
                    found.sensors.append((sensor, path))
                elif path.name.casefold() == "pose":  # in the layout of the videos
                    found.poses.extend(_roots(path).videos)
                else:
                    below.append(path)
        level = below
    return found


def _check(folder: Path, roots: Roots, names: Sequence[str]) -> None:
    """Raises ValueError where the folder lacks what the modalities `names` need. Signals need the views of videos or of
    poses."""
    lacking = ["a sensor's folder (acc_phone_clip, ...)"] * ("imu" in names and not roots.sensors)
    lacking += ["poses (pose/.../subjectN/camN/...)"] * ("skeleton" in names and not roots.poses)
    needs_videos = "video" in names or ("imu" in names and "skeleton" not in names and not roots.poses)
    lacking += ["videos (subjectN/camN/...)"] * (needs_videos and not roots.videos)
    if lacking:
        lacks = " nor ".join(lacking)
        raise ValueError(f"{folder}: holds no {lacks}, up to {DEEP} levels down. Unpack MMAct's archives there.")


def _number(level: str, name: str) -> int | None:
    """12 of "subject12", "subject012" or "Subject12"."""
    match = re.fullmatch(rf"{LEVELS[level]}0*([1-9]\d{{0,{2 if level == 'subject' else 1}}})", name.casefold())
    return int(match[1]) if match else None


def _folders(root: Path, levels: tuple[str, ...], bad: list[Path]) -> Iterator[tuple[tuple[int, ...], Path]]:
    """The innermost folders with their numbers; what isn't named as its level is goes to `bad`."""
    for path in entries(root):
        number = _number(levels[0], path.name) if path.is_dir() else None
        if number is None:
            bad.append(path)
        elif len(levels) == 1:
            yield (number,), path
        else:
            yield from (((number, *inner), p) for inner, p in _folders(path, levels[1:], bad))


def files_of(paths: Sequence[Path], suffix: str, folder: Path, bad: list[BadFile]) -> dict[str, Path]:
    """Class -> its file in any of the folders; names are folded, for one instance of the release is Carrying_light.

    Of two copies the first counts, as the challenge's two folders hold some clips twice; of two that differ nobody
    knows which is meant, and the second is bad.
    """
    found: dict[str, Path] = {}
    for file in (path / name for path in paths for name in _names(path)):
        stem, dot, end = file.name.casefold().rpartition(".")
        if dot + end != suffix or stem not in CLASSES:
            bad.append(BadFile(str(file.relative_to(folder)), f"is not named CLASS{suffix} after a class"))
        elif not _is_copy(file, found.setdefault(stem, file)):
            first = found[stem].relative_to(folder)
            bad.append(BadFile(str(file.relative_to(folder)), f"differs from {first}, the same recording: keep one"))
    return found


def _names(path: Path) -> list[str]:
    with os.scandir(path) as found:
        return sorted(entry.name for entry in found if not is_clutter(entry.name))


def _is_copy(file: Path, first: Path) -> bool:
    """A video by its size alone: the challenge's two folders are tens of GB."""
    if file.suffix.casefold() != ".mp4":
        return is_copy(file, first)
    try:
        return file == first or file.stat().st_size == first.stat().st_size
    except OSError:
        return False


def seen(folder: Path) -> Iterator[str]:
    """Name, size and time of every file: while these stay, so does the Manifest."""
    for session in find(folder, ())[0].values():
        for path in (path for part in session for paths in part.values() for path in paths):
            with os.scandir(path) as found:
                yield from sorted(_stamp(entry) for entry in found if not is_clutter(entry.name))
    about = folder / "corpus.json"
    if about.exists():
        yield f"{about.stat().st_size} {about.stat().st_mtime_ns}\n"


def _stamp(entry: os.DirEntry[str]) -> str:
    try:
        stat = entry.stat()
    except OSError:  # a link to nothing
        return f"{entry.path}\n"
    return f"{entry.path} {stat.st_size} {stat.st_mtime_ns}\n"

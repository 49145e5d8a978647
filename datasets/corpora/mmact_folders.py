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
SENSOR_PATH, VIDEO_PATH = ("subject", "scene", "session"), ("subject", "camera", "scene", "session")

Path3 = tuple[int, int, int]  # subject, scene, session


class Session(NamedTuple):
    """The folders of one session: of each sensor, and of each camera."""

    sensors: defaultdict[str, list[Path]]
    cameras: defaultdict[int, list[Path]]


def find(folder: Path, *, sensors_needed: bool = True) -> tuple[dict[Path3, Session], list[BadFile]]:
    """The sessions below a folder, and the folders that aren't named as one. ValueError where it is no MMAct."""
    sensors, videos = _roots(folder, sensors_needed)
    for root in (*videos, *(path for _, path in sensors)):
        if not is_text(str(root.relative_to(folder))):
            raise ValueError(f"{printable(str(root))}: has a name that is no UTF-8; rename it.")
    found: defaultdict[Path3, Session] = defaultdict(lambda: Session(defaultdict(list), defaultdict(list)))
    bad: list[BadFile] = []

    def refuse(paths: list[Path], levels: tuple[str, ...]) -> None:
        like = "/".join(f"{LEVELS[level]}N" for level in levels)
        bad.extend(BadFile(str(p.relative_to(folder)), f"is not named as in {like}") for p in paths if p.is_dir())

    for sensor, root in sensors:
        wrong: list[Path] = []
        for (subject, scene, session), path in _folders(root, SENSOR_PATH, wrong):
            found[subject, scene, session].sensors[sensor].append(path)
        refuse(wrong, SENSOR_PATH)
    for root in videos:
        wrong = []
        for (subject, camera, scene, session), path in _folders(root, VIDEO_PATH, wrong):
            found[subject, scene, session].cameras[camera].append(path)
        # Beside its subjects may lie the sensors' folders and anything else.
        refuse([p for p in wrong if p.parent != root or p.name.casefold().startswith("subj")], VIDEO_PATH)
    return dict(found), bad


def _roots(folder: Path, sensors_needed: bool, deep: int = 3) -> tuple[list[tuple[str, Path]], list[Path]]:
    """The sensors' folders, and the folders that hold subjectN/camN."""
    sensors: list[tuple[str, Path]] = []
    videos = []
    level = [folder]
    for _ in range(deep):
        below = []
        for parent in level:
            inner = [path for path in entries(parent) if path.is_dir()]
            subjects = [p for p in inner if _number("subject", p.name) is not None]
            if any(any(p.glob("cam[0-9]*")) for p in subjects):
                videos.append(parent)
            for path in (p for p in inner if p not in subjects):
                sensor = path.name.removesuffix("_clip")
                if path.name.endswith("_clip") and sensor in SENSORS:
                    sensors.append((sensor, path))
                elif path.name != "pose":  # the challenge's key points have the layout of its videos
                    below.append(path)
        level = below
    lacking = ["a sensor's folder (acc_phone_clip, ...)"] * (sensors_needed and not sensors)
    lacking += ["videos (subjectN/camN/...)"] * (not videos)
    if lacking:
        lacks = " nor ".join(lacking)
        raise ValueError(f"{folder}: holds no {lacks}, up to {deep} levels down. Unpack MMAct's archives there.")
    return sensors, videos


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
    for session in find(folder, sensors_needed=False)[0].values():
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

"""MMAct (Kong et al., ICCV 2019), as it is given out trimmed: a CSV a sensor and up to four videos of each instance.

    [PARENT/]{acc_phone,acc_watch,gyro,orientation}_clip/subjectN/sceneN/sessionN/CLASS.csv
    [trimmed/]subjectN/camN/sceneN/sessionN/CLASS.mp4                           (the public release)
    {cross_view,cross_scene}/trainval/subjectN/camN/sceneN/sessionN/CLASS.mp4   (the challenge's)

An instance is one subject's performance of a class in a scene and session; its cameras' clips share the signals.
A clip's `trial` is its session. An optional corpus.json names what the video shows; without one it is RGB.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datasets import inertial, mp4, signals
from datasets.corpora import about
from datasets.corpora.corpus import Corpus
from datasets.manifest import SCHEMA, BadFile, Manifest
from datasets.spec import Protocol

CLASSES: tuple[str, ...] = tuple(
    "carrying carrying_heavy carrying_light checking_time closing crouching drinking entering exiting fall jumping"
    " kicking loitering looking_around opening picking_up pocket_in pocket_out pointing pulling pushing running"
    " setting_down sitting sitting_down standing standing_up talking talking_on_phone throwing transferring_object"
    " using_pc using_phone walking waving_hand".split()
)
# The paper's 37: in scene 3, at the desk, these two are classes of their own.
DESK, AT_DESK = 3, ("talking_on_phone", "using_phone")
# `missing` names the sensors without a sample, whose channels are padding; `seconds` goes from first to last stamp.
MMACT_SCHEMA = pa.schema(
    [
        *SCHEMA,
        ("instance", pa.int32()),
        ("scene", pa.int32()),
        ("camera", pa.int32()),
        ("seconds", pa.float64()),
        ("missing", pa.string()),
    ]
)
MAX_BYTES = 16 << 20  # of a sensor's file: an hour at 100 Hz, where the release has seconds
SESSION_BYTES = 64 << 20  # of all of a session's, which are parsed at once: ten times the release's
# By what is at most three digits for a subject and two for the rest: `instance` puts them into one number.
LEVELS = {"subject": "subject", "scene": "scene", "session": "session", "camera": "cam"}
SENSOR_PATH, VIDEO_PATH = ("subject", "scene", "session"), ("subject", "camera", "scene", "session")

Path3 = tuple[int, int, int]  # subject, scene, session


class Session(NamedTuple):
    """The folders of one session: of each sensor, and of each camera."""

    sensors: dict[str, Path]
    cameras: dict[int, Path]


def _roots(folder: Path, deep: int = 3) -> tuple[dict[str, Path], list[Path]]:
    """Where each sensor's folder is, and the folders that hold subjectN/camN."""
    sensors: dict[str, Path] = {}
    videos = []
    level = [folder]
    for _ in range(deep):
        below = []
        for parent in level:
            inner = sorted(p for p in parent.iterdir() if p.is_dir() and not p.name.startswith("."))
            subjects = [p for p in inner if _number("subject", p.name) is not None]
            if any(any(p.glob("cam[0-9]*")) for p in subjects):
                videos.append(parent)
            for path in (p for p in inner if p not in subjects):
                sensor = path.name.removesuffix("_clip")
                if path.name.endswith("_clip") and sensor in signals.SENSORS:
                    sensors.setdefault(sensor, path)
                elif path.name != "pose":  # the challenge's key points have the layout of its videos
                    below.append(path)
        level = below
    if not sensors or not videos:
        lacks = " nor ".join(
            ["a sensor's folder (acc_phone_clip, ...)"] * (not sensors) + ["videos (subjectN/camN/...)"] * (not videos)
        )
        raise ValueError(f"{folder}: holds no {lacks}, up to {deep} levels down. Unpack MMAct's archives there.")
    return sensors, videos


def _number(level: str, name: str) -> int | None:
    """12 of "subject12", "subject012" or "Subject12"."""
    match = re.fullmatch(rf"{LEVELS[level]}0*([1-9]\d{{0,{2 if level == 'subject' else 1}}})", name.casefold())
    return int(match[1]) if match else None


def _folders(root: Path, levels: tuple[str, ...], bad: list[Path]) -> Iterator[tuple[tuple[int, ...], Path]]:
    """The innermost folders with their numbers; what isn't named as its level is goes to `bad`."""
    for path in sorted(p for p in root.iterdir() if not p.name.startswith(".")):
        number = _number(levels[0], path.name) if path.is_dir() else None
        if number is None:
            bad.append(path)
        elif len(levels) == 1:
            yield (number,), path
        else:
            yield from (((number, *inner), p) for inner, p in _folders(path, levels[1:], bad))


def _sessions(folder: Path) -> tuple[dict[Path3, Session], list[BadFile]]:
    sensors, videos = _roots(folder)
    found: dict[Path3, Session] = {}
    bad: list[BadFile] = []

    def refuse(paths: list[Path], levels: tuple[str, ...]) -> None:
        like = "/".join(f"{LEVELS[level]}N" for level in levels)
        bad.extend(BadFile(str(p.relative_to(folder)), f"is not named as in {like}") for p in paths if p.is_dir())

    for sensor, root in sensors.items():
        wrong: list[Path] = []
        for numbers, path in _folders(root, SENSOR_PATH, wrong):
            found.setdefault(numbers, Session({}, {})).sensors[sensor] = path  # pyright: ignore[reportArgumentType]
        refuse(wrong, SENSOR_PATH)
    for root in videos:
        wrong = []
        for (subject, camera, scene, session), path in _folders(root, VIDEO_PATH, wrong):
            # The challenge's two folders hold some clips twice.
            found.setdefault((subject, scene, session), Session({}, {})).cameras.setdefault(camera, path)
        # Beside its subjects may lie the sensors' folders and anything else.
        refuse([p for p in wrong if p.parent != root or p.name.casefold().startswith("subj")], VIDEO_PATH)
    return found, bad


def seen(folder: Path) -> Iterator[str]:
    """Name, size and time of every file: while these stay, so does the Manifest."""
    for session in _sessions(folder)[0].values():
        for path in (*session.sensors.values(), *session.cameras.values()):
            with os.scandir(path) as entries:
                for name, stat in sorted((entry.path, entry.stat()) for entry in entries):
                    yield f"{name} {stat.st_size} {stat.st_mtime_ns}\n"
    label = folder / "corpus.json"
    if label.exists():
        yield f"{label.stat().st_size} {label.stat().st_mtime_ns}\n"


def _files(path: Path, suffix: str, folder: Path, bad: list[BadFile]) -> dict[str, Path]:
    """Class -> its file; names are folded, for one instance of the release is Carrying_light."""
    found = {}
    with os.scandir(path) as entries:
        names = sorted(entry.name for entry in entries if not entry.name.startswith("."))
    for name in names:
        stem, dot, end = name.casefold().rpartition(".")
        if dot + end != suffix or stem not in CLASSES:
            bad.append(BadFile(str((path / name).relative_to(folder)), f"is not named CLASS{suffix} after a class"))
        else:
            found[stem] = path / name
    return found


def _contents(files: list[Path], folder: Path, bad: list[BadFile]) -> dict[Path, bytes]:
    """Of a session's files, no more than SESSION_BYTES in all; what can't be read goes to `bad`."""
    contents, room = {}, SESSION_BYTES
    for file in files:
        try:
            contents[file] = inertial.read_bounded(file, min(room, MAX_BYTES))
            room -= len(contents[file])
        except (ValueError, OSError) as error:
            bad.append(BadFile(str(file.relative_to(folder)), str(error)))
    return contents


def _read_session(folder: Path, key: Path3, session: Session) -> tuple[pa.Table, list[BadFile]]:
    """The whole clips of a session, by class and camera."""
    subject, scene, number = key
    bad: list[BadFile] = []
    sensors = {name: _files(path, ".csv", folder, bad) for name, path in session.sensors.items()}
    cameras = {camera: _files(path, ".mp4", folder, bad) for camera, path in sorted(session.cameras.items())}
    columns: dict[str, list[Any]] = {name: [] for name in MMACT_SCHEMA.names}
    contents = _contents([file for found in sensors.values() for file in found.values()], folder, bad)
    parsed = dict(zip(contents, signals.parse_all(list(contents.values())), strict=True))
    for label, name in enumerate(CLASSES):
        files = [sensors.get(sensor, {}).get(name) for sensor in signals.SENSORS]
        videos = {camera: found[name] for camera, found in cameras.items() if name in found}
        there = [file for file in files if file]
        if not videos:
            bad += [BadFile(str(file.relative_to(folder)), "no camera has a clip of it") for file in there[:1]]
            continue
        recorded, digest = [], hashlib.sha256()
        for file in files:
            if file and file not in contents:
                continue
            content, samples = (contents[file], parsed[file]) if file else (b"", signals.NONE)
            digest.update(len(content).to_bytes(8, "big") + content)
            if file and isinstance(samples, ValueError):
                bad.append(BadFile(str(file.relative_to(folder)), str(samples)))
            else:
                recorded.append(samples)
        if len(recorded) < len(files):
            continue
        missing = [s for s, (time, _) in zip(signals.SENSORS, recorded, strict=True) if not len(time)]
        if len(missing) == len(files):  # padding alone is no clip
            bad += [
                BadFile(str(video.relative_to(folder)), "no sensor has a sample of it") for video in videos.values()
            ]
            continue
        shared = {
            "subject": subject,
            "trial": number,
            "label": label,
            "imu": "|".join(str(file.relative_to(folder)) if file else "" for file in files),
            "samples": max(len(time) for time, _ in recorded),
            "instance": ((subject * 100 + scene) * 100 + number) * 100 + label,
            "scene": scene,
            "seconds": signals.span(recorded),
            "missing": " ".join(missing),
        }
        for camera, video in videos.items():
            try:
                frames, header = mp4.read_header(video)
            except (ValueError, OSError) as error:
                bad.append(BadFile(str(video.relative_to(folder)), str(error)))
                continue
            # Size and header, which holds the size of every frame: reading 100 GB to tell them apart would take hours.
            whole = hashlib.sha256(f"{digest.hexdigest()} {video.stat().st_size} ".encode() + header)
            row = shared | {
                "clip": f"subject{subject}_scene{scene}_session{number}_{name}_cam{camera}",
                "video": str(video.relative_to(folder)),
                "frames": frames,
                "content": whole.hexdigest()[:16],
                "camera": camera,
            }
            for column, values in columns.items():
                values.append(row[column])
    return pa.table(columns, MMACT_SCHEMA), bad


def read(folder: Path) -> Manifest:
    """Every whole clip by subject, scene, session, class and camera; what is bad is listed in `Manifest.bad`.

    Every CSV is read, of every video the header: decoding what is 100 GB of them to count frames would take a day.
    """
    name, video = about.read(folder, "MMAct")
    sessions, bad = _sessions(folder)
    keys = sorted(sessions)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(lambda key: _read_session(folder, key, sessions[key]), keys))
    clips = pa.concat_tables([part for part, _ in found]) if found else MMACT_SCHEMA.empty_table()
    bad += [b for _, part in found for b in part]
    bad = tuple(sorted(bad, key=lambda b: b.file))
    made = Manifest(name, video, "mmact", CLASSES, clips.combine_chunks(), folder.resolve(), bad)
    return noted(made)


def noted(manifest: Manifest) -> Manifest:
    """With what is missing, counted by instance."""
    clips = manifest.clips
    instance, camera = clips["instance"].to_numpy(), clips["camera"].to_numpy()
    ids, first = np.unique(instance, return_index=True)
    missing = clips["missing"].take(pa.array(first))
    lacks = {s: pc.sum(pc.match_substring_regex(missing, rf"\b{s}\b")).as_py() for s in signals.SENSORS}  # pyright: ignore
    lacks = {name: count for name, count in lacks.items() if count}
    notes = []
    if lacks:
        total = pc.sum(pc.not_equal(missing, "")).as_py()  # pyright: ignore[reportAttributeAccessIssue]
        listed = ", ".join(f"{name} {count}" for name, count in lacks.items())
        notes.append(f"{total} of {len(ids)} instances lack a sensor's samples, which are padded ({listed})")
    fewer = {int(c): len(ids) - int((camera == c).sum()) for c in np.unique(camera)}
    if any(fewer.values()):
        listed = ", ".join(f"cam{c} {count}" for c, count in fewer.items() if count)
        notes.append(f"of {len(ids)} instances a camera lacks its clip ({listed})")
    return replace(manifest, notes=tuple(notes))


def with_desk_classes(manifest: Manifest) -> Manifest:
    """The paper's 37 classes."""
    labels, at_desk = manifest.clips["label"].to_numpy().copy(), manifest.clips["scene"].to_numpy() == DESK
    for i, name in enumerate(AT_DESK):
        labels[at_desk & (labels == CLASSES.index(name))] = len(CLASSES) + i
    at = manifest.clips.schema.get_field_index("label")
    clips = manifest.clips.set_column(at, MMACT_SCHEMA.field("label"), pa.array(labels, pa.int32()))
    return replace(manifest, classes=(*CLASSES, *(f"{name}_desk" for name in AT_DESK)), clips=clips)


def with_all_sensors(manifest: Manifest) -> Manifest:
    """Without the instances that lack a sensor's samples."""
    whole = manifest.clips.filter(pc.equal(manifest.clips["missing"], ""))  # pyright: ignore[reportAttributeAccessIssue]
    left_out = len(np.unique(manifest.clips["instance"])) - len(np.unique(whole["instance"]))
    made = noted(replace(manifest, clips=whole))
    return replace(made, notes=(f"{left_out} instances that lack a sensor's samples are left out", *made.notes))


def signal(root: Path, imu: str, rate: int | None) -> np.ndarray:
    """(S, 12), as in `signals.read`, of what a Manifest's column imu names."""
    return signals.read([root / name if name else None for name in imu.split("|")], rate)


def own(path: Path) -> str:
    """A folder with the sensors' CSVs, acc_phone.csv and so on; what is missing is padding."""
    files = [f"{sensor}.csv" for sensor in signals.SENSORS]
    there = [f"{path.name}/{name}" if (path / name).is_file() else "" for name in files]
    if not any(there):
        raise ValueError(f"is no folder that holds any of {', '.join(files)}")
    return "|".join(there)


# The data set's own. A trial is a session, a view is a camera; all but the last keep the views of one instance, which
# share their signals, on one side.
PROTOCOLS = {
    "cross-subject": Protocol("subject", tuple(range(1, 17)), (17, 18, 19, 20), "cross-subject"),
    "cross-session": Protocol("trial", (1, 2, 3, 4), (5,), "same subjects"),
    "cross-scene": Protocol("scene", (1, 3, 4), (2,), "same subjects"),
    "cross-view": Protocol("camera", (1, 2, 3), (4,), "same recordings, THE TEST INSTANCES' SIGNALS ARE IN TRAINING"),
}
CORPUS = Corpus(read, PROTOCOLS, signals.CHANNELS, signal, own, seen)

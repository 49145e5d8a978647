"""MMAct (Kong et al., ICCV 2019), as it is given out trimmed: a CSV a sensor and up to four videos of each instance.

    [PARENT/]{acc_phone,acc_watch,gyro,orientation}_clip/subjectN/sceneN/sessionN/CLASS.csv
    [trimmed/]subjectN/camN/sceneN/sessionN/CLASS.mp4                           (the public release)
    {cross_view,cross_scene}/trainval/subjectN/camN/sceneN/sessionN/CLASS.mp4   (the challenge's)

An instance is one subject's performance of a class in a scene and session; its cameras' clips share the signals.
A clip's `trial` is its session. An optional corpus.json names what the video shows; without one it is RGB.
"""

import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datasets import cpus
from datasets.corpora import about, mmact_folders, remarks
from datasets.corpora.corpus import Corpus
from datasets.corpora.mmact_folders import CLASSES, Path3, Session, files_of
from datasets.files.bad_file import BadFile
from datasets.files.file_type import mistaken
from datasets.manifest import SCHEMA, Manifest
from datasets.signals import inertial, mmact_sensors, units
from datasets.signals.mmact_sensors import Samples
from datasets.spec import Protocol
from datasets.videos import mp4

# The paper's 37: in scene 3, at the desk, these two are classes of their own.
DESK, AT_DESK = 3, ("talking_on_phone", "using_phone")
# Of the gyroscope and the orientation the release states none.
UNITS = ("m/s^2", "m/s^2", None, None)
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


def _signals(files: Iterable[Path]) -> dict[Path, tuple[bytes, Samples | ValueError]]:
    """Of each file its content and its samples, or what is wrong with it."""
    contents: dict[Path, bytes] = {}
    unread: dict[Path, tuple[bytes, Samples | ValueError]] = {}
    room = SESSION_BYTES
    for file in files:
        try:
            contents[file] = inertial.read_bounded(file, min(room, MAX_BYTES))
            room -= len(contents[file])
        except ValueError as error:
            unread[file] = b"", error
        except OSError as error:  # a link to nothing
            unread[file] = b"", ValueError(mistaken(file) or f"can't be read ({error.strerror})")
    parsed = mmact_sensors.parse_all(list(contents.values()))
    return {file: (contents[file], samples) for file, samples in zip(contents, parsed, strict=True)} | unread


class Read(NamedTuple):
    """Of a session the whole clips by class and camera, what is bad, how many signals have no clip, and how strong the
    signals of each instance are (`units.levels`)."""

    clips: pa.Table
    bad: list[BadFile]
    unseen: int
    levels: list[list[list[float]]]


def _read_session(folder: Path, key: Path3, session: Session) -> Read:
    bad: list[BadFile] = []
    unseen, levels = 0, []
    sensors = {name: files_of(paths, ".csv", folder, bad) for name, paths in session.sensors.items()}
    cameras = {camera: files_of(paths, ".mp4", folder, bad) for camera, paths in sorted(session.cameras.items())}
    read = _signals(file for found in sensors.values() for file in found.values())
    columns: dict[str, list[Any]] = {name: [] for name in MMACT_SCHEMA.names}
    for label, name in enumerate(CLASSES):
        files = [sensors.get(sensor, {}).get(name) for sensor in mmact_sensors.SENSORS]
        videos = {camera: found[name] for camera, found in cameras.items() if name in found}
        if not videos:
            unseen += any(files)
            continue
        recorded, digest = [], hashlib.sha256()
        for file in files:
            content, samples = read[file] if file else (b"", mmact_sensors.NONE)
            digest.update(len(content).to_bytes(8, "big") + content)
            if file and isinstance(samples, ValueError):
                bad.append(BadFile(str(file.relative_to(folder)), mistaken(file) or str(samples)))
            else:
                recorded.append(samples)
        if len(recorded) < len(files):
            continue
        shared = _of_instance(folder, key, label, files, recorded)
        levels.append([units.levels(values)[0] for _, values in recorded])
        for camera, video in videos.items():
            try:
                frames, header = mp4.read_header(video)
            except (ValueError, OSError) as error:
                bad.append(BadFile(str(video.relative_to(folder)), getattr(error, "strerror", None) or str(error)))
                continue
            # Size and header, which holds the size of every frame: reading 100 GB to tell them apart would take hours.
            whole = hashlib.sha256(f"{digest.hexdigest()} {video.stat().st_size} ".encode() + header)
            row = shared | {
                "clip": "subject{}_scene{}_session{}".format(*key) + f"_{name}_cam{camera}",
                "video": str(video.relative_to(folder)),
                "frames": frames,
                "content": whole.hexdigest()[:16],
                "camera": camera,
            }
            for column, values in columns.items():
                values.append(row[column])
    return Read(pa.table(columns, MMACT_SCHEMA), bad, unseen, levels)


def _of_instance(
    folder: Path, key: Path3, label: int, files: list[Path | None], recorded: list[Samples]
) -> dict[str, Any]:
    """What all views of an instance share."""
    subject, scene, session = key
    return {
        "subject": subject,
        "trial": session,
        "label": label,
        "imu": "|".join(str(file.relative_to(folder)) if file else "" for file in files),
        # Without any sensor it is one sample of padding, as `signals.read` gives it.
        "samples": max(1, *(len(time) for time, _ in recorded)),
        "instance": ((subject * 100 + scene) * 100 + session) * 100 + label,
        "scene": scene,
        "seconds": mmact_sensors.span(recorded),
        "missing": " ".join(s for s, (time, _) in zip(mmact_sensors.SENSORS, recorded, strict=True) if not len(time)),
    }


def read(folder: Path) -> Manifest:
    """Every whole clip by subject, scene, session, class and camera; what is bad is listed in `Manifest.bad`.

    Every CSV is read, of every video the header: decoding what is 100 GB of them to count frames would take a day.
    """
    name, video = about.read(folder, "MMAct")
    sessions, bad = mmact_folders.find(folder)
    keys = sorted(sessions)
    with ThreadPoolExecutor(cpus.usable()) as pool:
        found = list(pool.map(lambda key: _read_session(folder, key, sessions[key]), keys))
    clips = pa.concat_tables([part.clips for part in found]) if found else MMACT_SCHEMA.empty_table()
    bad += [b for part in found for b in part.bad]
    bad = tuple(sorted(bad, key=lambda b: b.file))
    unseen = sum(part.unseen for part in found)
    notes = [f"{unseen} instances have signals and no clip, and are left out"] if unseen else []
    notes += remarks.of_signals([levels for part in found for levels in part.levels], UNITS)
    return Manifest(name, video, "mmact", CLASSES, clips.combine_chunks(), folder.resolve(), bad, tuple(notes))


def noted(manifest: Manifest) -> Manifest:
    """With what is missing, counted by instance of the clips that are read in the end."""
    clips = manifest.clips
    instance, camera = clips["instance"].to_numpy(), clips["camera"].to_numpy()
    ids, first = np.unique(instance, return_index=True)
    missing = clips["missing"].take(pa.array(first))
    lacks = {s: pc.sum(pc.match_substring_regex(missing, rf"\b{s}\b")).as_py() for s in mmact_sensors.SENSORS}  # pyright: ignore
    lacks = {name: count for name, count in lacks.items() if count}
    notes = [*manifest.notes]
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
    note = f"{left_out} instances that lack a sensor's samples are left out"
    return replace(manifest, clips=whole, notes=(*manifest.notes, note))


def signal(root: Path, imu: str, rate: int | None) -> np.ndarray:
    """(S, 12), as in `signals.read`, of what a Manifest's column imu names."""
    return mmact_sensors.read([root / name if name else None for name in imu.split("|")], rate)


def own(path: Path) -> str:
    """A folder with the sensors' CSVs, acc_phone.csv and so on; what is missing is padding."""
    files = [f"{sensor}.csv" for sensor in mmact_sensors.SENSORS]
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
CORPUS = Corpus(read, PROTOCOLS, mmact_sensors.CHANNELS, UNITS, None, signal, own, True, True, mmact_folders.seen)

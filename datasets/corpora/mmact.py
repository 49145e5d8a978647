"""MMAct (Kong et al., ICCV 2019), as it is given out trimmed: a CSV a sensor and up to four videos of each instance,
and where they are asked for the poses of each video.

    [PARENT/]{acc_phone,acc_watch,gyro,orientation}_clip/subjectN/sceneN/sessionN/CLASS.csv
    [trimmed/]subjectN/camN/sceneN/sessionN/CLASS.mp4                           (the public release)
    {cross_view,cross_scene}/trainval/subjectN/camN/sceneN/sessionN/CLASS.mp4   (the challenge's)
    pose/{cross_view,cross_scene}/trainval/subjectN/camN/sceneN/sessionN/CLASS.json

An instance is one subject's performance of a class in a scene and session; its cameras' clips share the signals.
A clip's `trial` is its session. An optional corpus.json names what the video shows; without one it is RGB.
"""

import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from datasets import cpus, manifest, modalities
from datasets.corpora import about, missing, mmact_folders, mmact_poses
from datasets.corpora.corpus import Corpus
from datasets.corpora.mmact_folders import CLASSES, Path3, Session, files_of
from datasets.files.bad_file import BadFile
from datasets.files.file_type import mistaken
from datasets.files.sandbox import Found
from datasets.manifest import Manifest
from datasets.modalities import Source
from datasets.signals import inertial, mmact_sensors, units
from datasets.signals.mmact_sensors import Samples
from datasets.spec import Protocol
from datasets.videos import mp4

# The paper's 37: in scene 3, at the desk, these two are classes of their own.
DESK, AT_DESK = 3, ("talking_on_phone", "using_phone")
# Of the gyroscope and the orientation the release states none.
UNITS = ("m/s^2", "m/s^2", None, None)
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


def schema(names: Iterable[str]) -> pa.Schema:
    """Of a Manifest's clips. Of the sensors `missing` names those without a sample, whose channels are padding, and
    `seconds` goes from the first to the last stamp."""
    names = tuple(names)
    fields = [*manifest.schema(names), *(pa.field(name, pa.int32()) for name in ("instance", "scene", "camera"))]
    if "imu" in names:
        fields += [pa.field("seconds", pa.float64()), pa.field("missing", pa.string())]
    return pa.schema(fields)


class Read(NamedTuple):
    """Of a session the whole clips by class and camera, what is bad, how many signals have no clip, how strong the
    signals of each instance are (`units.levels`), and what the pose files hold."""

    clips: pa.Table
    bad: list[BadFile]
    unseen: int
    levels: list[list[list[float]]]
    poses: dict[str, Found]


def _read_session(folder: Path, key: Path3, session: Session, names: Sequence[str], by_pose: bool) -> Read:
    """`by_pose` says whether pose files show views too."""
    bad: list[BadFile] = []
    unseen, levels, rows, poses = 0, [], [], {}
    given = session.sensors if "imu" in names else {}
    sensors = {name: files_of(paths, ".csv", folder, bad) for name, paths in given.items()}
    # A clip is a view, also where only its signals are read: then no video is opened, and none can be bad.
    of_films = bad if "video" in names else []
    films = {camera: files_of(paths, ".mp4", folder, of_films) for camera, paths in session.cameras.items()}
    of_poses = bad if "skeleton" in names else []
    posed = {camera: files_of(paths, ".json", folder, of_poses) for camera, paths in session.poses.items() if by_pose}
    read = _signals(file for of_sensor in sensors.values() for file in of_sensor.values())
    for label, name in enumerate(CLASSES):
        files = [sensors.get(sensor, {}).get(name) for sensor in mmact_sensors.SENSORS]
        views = sorted({camera for of in (films, posed) for camera in of if name in of[camera]})
        if not views:
            unseen += any(files)
            continue
        shared = _of_instance(key, label)
        if "imu" in names:
            contents, recorded = [], []
            for file in files:
                content, samples = read[file] if file else (b"", mmact_sensors.NONE)
                contents.append(content)
                if file and isinstance(samples, ValueError):
                    bad.append(BadFile(str(file.relative_to(folder)), mistaken(file) or str(samples)))
                else:
                    recorded.append(samples)
            if len(recorded) < len(files):
                continue
            shared |= _signal_columns(folder, files, contents, recorded)
            levels.append([units.levels(values)[0] for _, values in recorded])
        for camera in views:
            row = shared | {"clip": "subject{}_scene{}_session{}".format(*key) + f"_{name}_cam{camera}"}
            video, pose = (of.get(camera, {}).get(name) for of in (films, posed))
            wrong = []
            try:
                row |= {"camera": camera} | (_video_columns(folder, video) if "video" in names else {})
            except (ValueError, OSError) as error:
                wrong.append(_bad(folder, video, error))
            try:
                row |= mmact_poses.columns(folder, pose, poses) if "skeleton" in names else {}
            except (ValueError, OSError) as error:
                wrong.append(_bad(folder, pose, error))
            bad += wrong
            rows += [] if wrong else [row]
    return Read(pa.Table.from_pylist(rows, schema(names)), bad, unseen, levels, poses)


def _bad(folder: Path, file: Path | None, error: ValueError | OSError) -> BadFile:
    assert file
    return BadFile(str(file.relative_to(folder)), getattr(error, "strerror", None) or str(error))


def _of_instance(key: Path3, label: int) -> dict[str, Any]:
    """What all views of an instance share."""
    subject, scene, session = key
    instance = ((subject * 100 + scene) * 100 + session) * 100 + label
    return {"subject": subject, "trial": session, "label": label, "instance": instance, "scene": scene}


def _signal_columns(
    folder: Path, files: Sequence[Path | None], contents: Sequence[bytes], recorded: Sequence[Samples]
) -> dict[str, Any]:
    digest = hashlib.sha256()
    for content in contents:
        digest.update(len(content).to_bytes(8, "big") + content)
    return {
        "imu": "|".join(str(file.relative_to(folder)) if file else "" for file in files),
        # Without any sensor it is one sample of padding, as `signals.read` gives it.
        "imu_count": max(1, *(len(time) for time, _ in recorded)),
        "imu_content": digest.hexdigest()[:16],
        "seconds": mmact_sensors.span(recorded),
        "missing": " ".join(s for s, (time, _) in zip(mmact_sensors.SENSORS, recorded, strict=True) if not len(time)),
    }


def _video_columns(folder: Path, video: Path | None) -> dict[str, Any]:
    """Raises ValueError or OSError for a video that is bad as far as its header tells."""
    if video is None:
        return {"video": None, "video_count": 0, "video_content": ""}
    frames, header = mp4.read_header(video)
    # Size and header, which holds the size of every frame: reading 100 GB to tell them apart would take hours.
    content = hashlib.sha256(f"{video.stat().st_size} ".encode() + header).hexdigest()[:16]
    return {"video": str(video.relative_to(folder)), "video_count": frames, "video_content": content}


def read(folder: Path, names: Sequence[str]) -> Manifest:
    """Every whole clip by subject, scene, session, class and camera; what is bad is listed in `Manifest.bad`.

    A clip is a view of an instance: one that a video's name shows, and where poses are read or there is no video at all
    one that a pose file's name shows. It may lack its video or its pose. Every CSV and every pose file is read, and of
    every video the header: decoding what is 100 GB of them to count frames would take a day.
    """
    name, shows = about.read(folder, "MMAct", {"video": "RGB"} if "video" in names else {})
    sessions, bad = mmact_folders.find(folder, names)
    keys = sorted(sessions)
    by_pose = "skeleton" in names or not any(session.cameras for session in sessions.values())
    with ThreadPoolExecutor(cpus.usable()) as pool:
        found = list(pool.map(lambda key: _read_session(folder, key, sessions[key], names, by_pose), keys))
    clips = pa.concat_tables([schema(names).empty_table(), *(part.clips for part in found)]).combine_chunks()
    bad += [b for part in found for b in part.bad]
    bad = tuple(sorted(bad, key=lambda b: b.file))
    unseen = sum(part.unseen for part in found)
    notes = [f"{unseen} instances have signals and no clip, and are left out"] if unseen else []
    levels = [levels for part in found for levels in part.levels]
    signals = {str(number): Found(0, levels=each) for number, each in enumerate(levels)}
    notes += modalities.of("imu").remarks(signals, CORPUS.source("imu"))
    poses = {name: each for part in found for name, each in part.poses.items()}
    notes += modalities.of("skeleton").remarks(poses, CORPUS.source("skeleton"))
    return Manifest(name, shows, "mmact", CLASSES, clips, folder.resolve(), bad, tuple(notes))


def with_missing(found: Manifest, policy: missing.Policy) -> Manifest:
    """With the instances that lack a sensor's samples, and the clips that lack their pose or, beside one, their video,
    padded or left out, and those counted in notes."""
    if not {"imu", "skeleton"} & set(found.modalities):
        if policy != "padding":
            raise ValueError("--missing-sensors: no sensor is read where videos alone are.")
        return found
    notes, whole = [], np.ones(found.clips.num_rows, bool)
    if "imu" in found.modalities:
        lacking = [names.split() for names in found.clips["missing"].to_pylist()]
        _, first = np.unique(found.clips["instance"].to_numpy(), return_index=True)
        notes += missing.notes(policy, [lacking[row] for row in first], "instances", "a sensor's samples")
        whole &= missing.kept(policy, lacking)
    if "skeleton" in found.modalities:
        clips = found.clips.select(found.modalities).to_pylist()
        lacking = [[name for name, file in clip.items() if file is None] for clip in clips]
        notes += missing.notes(policy, lacking, "clips", "a recording")
        whole &= missing.kept(policy, lacking)
    return replace(found, clips=found.clips.filter(pa.array(whole)), notes=(*found.notes, *notes))


def with_cameras(found: Manifest) -> Manifest:
    """With a note that counts the instances of which a camera lacks its clip, of those that are read in the end."""
    instance, camera = found.clips["instance"].to_numpy(), found.clips["camera"].to_numpy()
    count = len(np.unique(instance))
    fewer = {int(c): count - int((camera == c).sum()) for c in np.unique(camera)}
    if not any(fewer.values()):
        return found
    listed = ", ".join(f"cam{c} {many}" for c, many in fewer.items() if many)
    return replace(found, notes=(*found.notes, f"of {count} instances a camera lacks its clip ({listed})"))


def with_desk_classes(found: Manifest) -> Manifest:
    """The paper's 37 classes."""
    labels, at_desk = found.clips["label"].to_numpy().copy(), found.clips["scene"].to_numpy() == DESK
    for i, name in enumerate(AT_DESK):
        labels[at_desk & (labels == CLASSES.index(name))] = len(CLASSES) + i
    at = found.clips.schema.get_field_index("label")
    clips = found.clips.set_column(at, found.clips.schema.field("label"), pa.array(labels, pa.int32()))
    return replace(found, classes=(*CLASSES, *(f"{name}_desk" for name in AT_DESK)), clips=clips)


def signal(root: Path, imu: str, rate: int | None) -> np.ndarray:
    """(S, 12), as in `signals.read`, of what a Manifest's column imu names.

    One name alone is that of a sensor's file that is looked at by itself; it stands where the first sensor's does.
    """
    names = [*imu.split("|"), "", "", ""][: len(mmact_sensors.SENSORS)]
    return mmact_sensors.read([root / name if name else None for name in names], rate)


def files(imu: str) -> list[str]:
    """Those of the sensors that are there."""
    return [name for name in imu.split("|") if name]


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
SOURCES = {
    "imu": Source(mmact_sensors.CHANNELS, UNITS, gaps=True, read=signal, own=own, files=files),
    "skeleton": mmact_poses.SOURCE,
    "video": Source(by_header=True),
}
CORPUS = Corpus(read, PROTOCOLS, SOURCES, only=tuple(SOURCES), seen=mmact_folders.seen)

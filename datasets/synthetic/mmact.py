"""A synthetic corpus in MMAct's layout and codecs: the figure of `synthetic`, seen by four cameras around it.

    sensors/acc_phone_clip/subject8/scene1/session2/walking.csv              (and acc_watch, gyro, orientation)
    trimmed/subject8/cam1/scene1/session2/walking.mp4
    pose/cross_view/trainval/subject8/cam1/scene1/session2/walking.json      (camera 4's in cross_scene)

The last are the challenge's poses, drawn for the modality skeleton. A file is of one clip of one camera: a JSON object
with a member for each frame of the video, in their order, and in it 51 numbers a person, x, y and confidence of COCO's
17 key points in pixels of the video (`keypoints.frames`; what a frame's key looks like isn't public):

    {"0": {"person1": [160.1, 61.3, 0.8, ...]}, "1": {"person1": [...], "person2": [...]}, ...}

A point that isn't found is 0, 0, 0. `datasets/skeletons/poses.py` says where the form is known from.

The phone is in the right trouser pocket, the watch on the right wrist. What is odd about the release is odd here too,
where it is there: stamps that jitter, repeat and at whole seconds have no fraction; names above some files' columns;
empty and missing sensor files; clips that a camera lacks, or three; a second keyframe in some; a padded subject's
folder; subject 8 without session 5 of scene 2; Carrying_light; frames without a person, poses of two, a clip without
poses or with nobody in them.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.frame import PictureType
from scipy.spatial.transform import Rotation

from datasets.files.atomic import write_whole
from datasets.signals.mmact_sensors import SENSORS
from datasets.synthetic import figure, keypoints, sensors
from datasets.synthetic import utd_mhad as synthetic
from datasets.synthetic.figure import FINE_RATE, Figure, Style
from datasets.synthetic.movements import MOVES, Keys, _wrist
from datasets.synthetic.sensors import GRAVITY, SIZE

VERSION = 2  # of the generator: raise it with every change of the written bytes
FRAME_RATE = Fraction(30000, 1001)
REPEATS = 2  # of a frame that is drawn, in the video
RATES = dict(zip(SENSORS, (100, 100, 50, 50), strict=True))
CAMERAS = {1: -50, 2: 40, 3: 130, 4: 220}  # degrees around the figure
OCCLUDED, DESK = 2, 3
OCCLUDER = (80, 150, 240)  # what stands before the legs: its first column and row, and the column behind its last
SECOND_KEYFRAME = 25  # the release's is frame 250, of clips ten times as long
# A quick draught from a cup, a phone before the chest, a phone at the ear; a box on both arms while walking.
CARRY = {"R": (-5, 25, 20, 85, -40), "L": (-5, 25, 20, 85, -40)}
CLASSES: dict[str, Keys] = {
    "walking": MOVES["walk"],
    "throwing": MOVES["throw"],
    "carrying_light": [(seconds, pose | CARRY) for seconds, pose in MOVES["walk"]],
    "using_phone": _wrist((0.6, 5, 30, 25, 95, 30), (0.7, 8, 32, 25, 100, 30), (0.7, 3, 28, 25, 92, 30)),
    "talking_on_phone": _wrist((0.6, -50, 45, 10, 145, 20), (0.8, -46, 50, 10, 142, 20), (0.6, -52, 46, 10, 146, 20)),
    "drinking": _wrist((0.7, -10, 45, 25, 130, 0), (0.5, -10, 75, 25, 135, 40), (0.6, -10, 45, 25, 120, 0)),
    "sitting_down": MOVES["stand2sit"],
    "standing_up": MOVES["sit2stand"],
}
AT_DESK = ("drinking", "sitting_down", "standing_up", "using_phone")
ELSEWHERE = ("walking", "throwing", "carrying_light", "using_phone", "talking_on_phone")

DRAWN = ("imu", "video", "skeleton")

Instance = tuple[int, int, int, int, str]  # its number, subject, scene, session, class


def write(
    folder: Path, *, subjects: Sequence[int] = (8, 14, 17, 20), scenes: Sequence[int] = (1, 2, 3, 4),
    sessions: Sequence[int] = (2, 5), seed: int = 0, modalities: Sequence[str] = ("imu", "video"),
    on_progress: Callable[[int, int], None] | None = None,
) -> Path:  # fmt: skip
    """Writes the corpus, or what is missing of it, and returns the folder; corpus.json comes last.

    Videos are H.264, 320x240, 29.97 fps, of which every other frame repeats the one before. Acceleration is in m/s^2 at
    100 Hz, the gyroscope's rate in rad/s and the orientation in degrees, both at 50 Hz. These are written whatever the
    modalities, as a clip is a camera's view; the poses only with the modality skeleton. Every instance depends on its
    own numbers and the seed only. `on_progress` is told (done, total). ValueError: the folder holds another corpus, or
    a modality isn't drawn.
    """
    synthetic.check("synthetic-mmact", modalities, DRAWN)
    about = {"name": "synthetic (MMAct layout)", "video": "drawn figure", "version": VERSION, "seed": seed}
    about |= {"subjects": list(subjects), "scenes": list(scenes), "sessions": list(sessions)}
    done = synthetic.finished(folder, about)
    drawn = [(instance, "skeleton" in modalities) for instance in performed(subjects, scenes, sessions)]
    lacking = [one for one in drawn if not all(path.exists() for path in _all_files(folder, *one))]
    folder.mkdir(parents=True, exist_ok=True)
    first = len(drawn) - len(lacking) + 1
    for count, _ in enumerate(synthetic.each(_write_instance, folder, seed, lacking), start=first):
        if on_progress:
            on_progress(count, len(drawn))
    if not done:
        write_whole(folder / "corpus.json", json.dumps(about, indent=2) + "\n")
    return folder


def performed(subjects: Sequence[int], scenes: Sequence[int], sessions: Sequence[int]) -> list[Instance]:
    """All there are of these, numbered."""
    found = [
        (subject, scene, session, name)
        for subject in subjects
        for scene in scenes
        for session in sessions
        for name in (AT_DESK if scene == DESK else ELSEWHERE)
        if (subject, scene, session) != (8, 2, 5)
    ]
    return [(number, *which) for number, which in enumerate(found)]


def files(folder: Path, instance: Instance) -> tuple[dict[str, Path], dict[int, Path]]:
    """An instance's CSV files and videos, less what is missing.

    Of the first ten instances, and then of about one in 40, the watch's file is missing (8) and the gyroscope's is
    empty (7); of one in 16 camera 3's clip is (5); one in 300 only one camera saw (9).
    """
    number, subject, scene, session, name = instance
    stem = name.capitalize() if (subject, scene, session, name) == (14, 1, 2, "carrying_light") else name
    inner = f"scene{scene}/session{session}/{stem}"
    csv = {
        sensor: folder / "sensors" / f"{sensor}_clip" / f"subject{subject:{'02' if sensor == 'gyro' else ''}}" / inner
        for sensor in SENSORS
        if not (sensor == "acc_watch" and number % 76 == 8)
    }
    videos = {
        camera: folder / "trimmed" / f"subject{subject}/cam{camera}" / inner
        for camera in CAMERAS
        if not (camera == 3 and number % 16 == 5) and not (camera > 1 and number % 300 == 9)
    }
    return (
        {sensor: path.with_suffix(".csv") for sensor, path in csv.items()},
        {camera: path.with_suffix(".mp4") for camera, path in videos.items()},
    )


def poses(folder: Path, instance: Instance) -> dict[int, Path]:
    """An instance's poses by camera, where there is a video; of one instance in 16 camera 2's are missing (6)."""
    found = {}
    for camera, video in files(folder, instance)[1].items():
        if not (camera == 2 and instance[0] % 16 == 6):
            part = folder / "pose" / ("cross_scene" if camera == 4 else "cross_view") / "trainval"
            found[camera] = part / video.relative_to(folder / "trimmed").with_suffix(".json")
    return found


def _all_files(folder: Path, instance: Instance, with_poses: bool) -> list[Path]:
    csv, videos = files(folder, instance)
    return [*csv.values(), *videos.values(), *(poses(folder, instance).values() if with_poses else ())]


def _write_instance(folder: Path, seed: int, drawn: tuple[Instance, bool]) -> None:
    instance, with_poses = drawn
    _, subject, scene, session, name = instance
    style = Style(seed, subject, 10 * scene + session)
    style.wall += 12.0 * np.array([scene - 2, 0, 2 - scene])
    numbers = [*instance[:4], list(CLASSES).index(name)]
    rng = np.random.default_rng([seed, 5, *numbers])
    joints, limbs = figure.body(style, figure.angles(style, CLASSES[name], rng, name == "sitting_down"))
    pocket = joints["hip_R"] + 0.3 * (joints["knee_R"] - joints["hip_R"])
    phone = Figure(style, joints, pocket, limbs["thigh"] * style.strap)
    watch = Figure(style, joints, joints["wrist_R"], limbs["forearm"] * style.strap)
    if not all(path.exists() for path in _all_files(folder, instance, with_poses=False)):
        _write_recordings(folder, instance, phone, watch, rng)
    if with_poses:
        _write_poses(folder, instance, phone, np.random.default_rng([seed, 6, *numbers]))


def seen(moving: Figure, camera: int) -> Figure:
    """The figure in the axes of a camera's image."""
    turned = Rotation.from_euler("Y", CAMERAS[camera], degrees=True)
    return moving._replace(joints={name: turned.apply(place) for name, place in moving.joints.items()})


def _write_poses(folder: Path, instance: Instance, moving: Figure, rng: np.random.Generator) -> None:
    """Of one instance in 76 nobody is found (12); of one in 8 somebody stands beside the figure (2)."""
    number, occluder = instance[0], OCCLUDER if instance[2] == OCCLUDED else None
    missed = 1.0 if number % 76 == 12 else keypoints.MISSED
    for camera, path in poses(folder, instance).items():
        found = keypoints.frames(seen(moving, camera), rng, occluder, number % 8 == 2, missed)
        frames = [frame for frame in found for _ in range(REPEATS)]
        text = json.dumps({str(k): frame for k, frame in enumerate(frames)})
        _whole(path, lambda part, text=text: part.write_text(text))


def _write_recordings(folder: Path, instance: Instance, phone: Figure, watch: Figure, rng: np.random.Generator) -> None:
    number, _, scene, *_ = instance
    csv, videos = files(folder, instance)
    for camera, path in videos.items():
        film = _film(seen(phone, camera), scene == OCCLUDED, rng)
        _whole(path, lambda part, film=film: _write_video(part, film, second_keyframe=number % 8 == 3))
    signals = {
        "acc_phone": GRAVITY * sensors.measure(phone, RATES["acc_phone"])[:, :3] + rng.normal(0, 0.15, 3),
        "acc_watch": GRAVITY * sensors.measure(watch, RATES["acc_watch"])[:, :3] + rng.normal(0, 0.15, 3),
        "gyro": np.radians(sensors.measure(phone, RATES["gyro"])[:, 3:] + rng.normal(0, 1, 3)),
        "orientation": sensors.orientation(phone.rotation[:: FINE_RATE // RATES["orientation"]]),
    }
    start = datetime(2018, 10, 16, 13, 37, 28) + timedelta(minutes=number)
    for sensor, path in csv.items():
        empty = sensor == "gyro" and number % 76 == 7
        text = "" if empty else table(signals[sensor], RATES[sensor], start, rng, names=bool(rng.random() < 0.1))
        _whole(path, lambda part, text=text: part.write_text(text))


def table(values: np.ndarray, rate: int, start: datetime, rng: np.random.Generator, names: bool) -> str:
    """The CSV of a sensor: its stamps jitter by 15 ms, so that some step back, and one in fifty repeats."""
    seconds = np.arange(len(values)) / rate + np.where(np.arange(len(values)) > 0, rng.normal(0, 0.015, len(values)), 0)
    repeats = np.flatnonzero(rng.random(len(values) - 1) < 0.02) + 1
    seconds[repeats] = seconds[repeats - 1]
    lines = ["time,x,y,z"] * names
    for second, row in zip(seconds.tolist(), values.tolist(), strict=True):
        at = start + timedelta(seconds=second)
        fraction = f".{at.microsecond:06d}" if at.microsecond else ""
        lines.append(f"{at:%Y%m%d_%H:%M:%S}{fraction}," + ",".join(f"{value:.6f}" for value in row))
    return "\n".join(lines) + "\n"


def _film(moving: Figure, occluded: bool, rng: np.random.Generator) -> Iterator[np.ndarray]:
    left, top, right = OCCLUDER
    for image in sensors.frames(moving, rng):
        if occluded:  # something stands before the legs
            image = image.copy()
            image[top:, left:right] = (90, 80, 70)
        for _ in range(REPEATS):
            yield image


def _write_video(path: Path, film: Iterator[np.ndarray], second_keyframe: bool) -> None:
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FRAME_RATE, options={"preset": "veryfast", "crf": "26"})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.codec_context.thread_count = 1  # more threads would make the bytes depend on the machine
        for i, image in enumerate(film):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            if second_keyframe and i == SECOND_KEYFRAME:
                frame.pict_type = PictureType.I
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _whole(path: Path, make: Callable[[Path], object]) -> None:
    """Under another name first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".partial")
    make(part)
    part.replace(path)

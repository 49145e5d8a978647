"""A synthetic corpus in UTD-MHAD's layout and codecs: one 3-D figure, filmed and measured.

Layout, codecs, rates and the 27 classes are those of UTD-MHAD (Chen, Jafari, Kehtarnavaz, "UTD-MHAD: a multimodal
dataset for human action recognition utilizing a depth camera and a wearable inertial sensor", ICIP 2015).
Axes: x to the subject's left (the image's right), y up, z forward to the camera; metres, seconds, radians.
"""

import io
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from PIL import Image, ImageDraw
from scipy.interpolate import PchipInterpolator
from scipy.io import savemat
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from datasets.corpora.movements import BONES, CHANNELS, GROUPS, MOVES, REST, Keys, Pose
from datasets.corpora.utd_mhad import CLASSES
from datasets.files.atomic import read_json, remove_parts, write_whole, writing

VERSION = 1  # of the generator: raise it with every change of the written bytes
SPAWN_FROM = 24  # clips: a spawned process imports for a second or two, as long as ten clips take
FIRST_ON_THIGH = 22  # UTD-MHAD straps the sensor to the right wrist for actions 1-21, to the right thigh from 22

FRAME_RATE, SAMPLE_RATE, OVERSAMPLING = 15, 50, 4
FINE_RATE = SAMPLE_RATE * OVERSAMPLING
DURATION = (2.2, 6.4)
GRAVITY = 9.81
ACC_RANGE, GYRO_RANGE = 8.0, 1000.0  # g and deg/s
SIZE = (320, 240)
CAMERA_DISTANCE, CAMERA_HEIGHT, PIXELS_PER_METRE, HORIZON = 6.0, 0.9, 90.0, 135  # m, m, at z = 0, image row


class Style:
    """What all clips of a subject share (build, clothes, way of moving, strapping) and all of one of its trials."""

    def __init__(self, seed: int, subject: int, trial: int) -> None:
        rng, mood = np.random.default_rng([seed, 1, subject]), np.random.default_rng([seed, 2, subject, trial])
        self.height = rng.uniform(1.55, 1.9)  # metres
        self.place = rng.uniform(-0.25, 0.25) + mood.normal(0, 0.02)  # metres from the image's middle
        self.arm, self.leg = self.height * rng.uniform(0.93, 1.07), self.height * rng.uniform(0.95, 1.05)
        self.tempo = np.exp(rng.normal(0, 0.18) + mood.normal(0, 0.06))
        self.before, self.after = mood.uniform(0.3, 0.7, 2)  # seconds at rest
        self.amplitude = rng.normal(1, 0.1) * mood.normal(1, 0.04) * rng.normal(1, 0.1, CHANNELS)
        self.posture = rng.normal(0, 6, CHANNELS)  # degrees
        self.delay = rng.uniform(-0.04, 0.04, CHANNELS)  # seconds
        self.strap = Rotation.from_rotvec(rng.normal(0, 12, 3), degrees=True)
        self.wall = rng.normal(0, 6, 3)
        shirt, trousers = rng.integers(20, 130, 3), rng.integers(15, 110, 3)
        skin = (np.array([235, 190, 160]) * rng.uniform(0.55, 1)).astype(int)
        colours = {"shirt": shirt, "sleeve": shirt + 30, "trousers": trousers, "skin": skin, "shoe": np.full(3, 25)}
        self.colours = {name: tuple(colour.tolist()) for name, colour in colours.items()}


class Figure(NamedTuple):
    """One clip's movement at FINE_RATE: joint and sensor positions (N, 3) in metres, the sensor's N rotations."""

    style: Style
    joints: dict[str, np.ndarray]
    sensor: np.ndarray
    rotation: Rotation


def _flat(pose: Pose) -> np.ndarray:
    return np.concatenate([(REST | pose)[group] for group in GROUPS]).astype(float)


def angles(style: Style, moves: Keys, rng: np.random.Generator, stays: bool = False) -> np.ndarray:
    """Joint angles (N, CHANNELS) in degrees at FINE_RATE, N a whole number of sensor samples.

    It comes back to rest at the end unless it `stays`.
    """
    keys = list(moves) if stays else [*moves, (0.6, {})]
    start = keys.pop(0)[1] if keys[0][0] == 0 else {}
    seconds = np.array([key[0] for key in keys]) * rng.uniform(0.92, 1.08, len(keys)) / style.tempo
    # The first and last pose twice: the curve starts and ends without speed.
    times = np.cumsum([0, style.before, *seconds, style.after])
    poses = np.array([_flat(pose) for pose in (start, start, *(key[1] for key in keys), keys[-1][1])])
    poses = _flat({}) + (poses - _flat({})) * style.amplitude
    moved = np.where(np.ptp(poses, axis=0) > 0, 1.0, 0.15)  # joints the movement does not use vary little
    poses[2:-2] += moved * (rng.normal(0, 3, CHANNELS) + rng.normal(0, 2, poses[2:-2].shape))
    grid = np.arange(round(np.clip(times[-1], *DURATION) * SAMPLE_RATE) * OVERSAMPLING) / FINE_RATE
    moments = np.clip(grid - style.delay[:, None], 0, times[-1])
    curves = np.stack([PchipInterpolator(times, poses[:, c])(moments[c]) for c in range(CHANNELS)], axis=1)
    sway = gaussian_filter1d(rng.normal(0, 1, curves.shape), 0.3 * FINE_RATE, axis=0)
    sway *= 0.4 / sway.std()  # degrees
    # A Gaussian of 35 ms: muscles are a low-pass; it also makes the piecewise curve twice differentiable.
    return gaussian_filter1d(curves, 0.035 * FINE_RATE, axis=0, mode="nearest") + style.posture + sway


def _turn(axes: str, *degrees: np.ndarray) -> Rotation:
    return Rotation.from_euler(axes.upper(), np.stack(degrees, axis=1), degrees=True)


def figure(seed: int, action: int, subject: int, trial: int) -> Figure:
    """The clip's figure with UTD-MHAD's one sensor."""
    style, rng = Style(seed, subject, trial), np.random.default_rng([seed, 3, action, subject, trial])
    name = CLASSES[action - 1]
    joints, limbs = body(style, angles(style, MOVES[name], rng, stays=name == "stand2sit"))
    if action < FIRST_ON_THIGH:
        return Figure(style, joints, joints["wrist_R"], limbs["forearm"] * style.strap)
    return Figure(style, joints, (joints["hip_R"] + joints["knee_R"]) / 2, limbs["thigh"] * style.strap)


def body(style: Style, angles: np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, Rotation]]:
    """Joints by forward kinematics, standing on the lower foot, the feet's mean over the same spot.

    And the rotations of the right "thigh" and "forearm".
    """
    height = style.height
    joints = {"pelvis": np.zeros((len(angles), 3))}

    def grow(joint: str, parent: str, rotation: Rotation, *bone: float) -> None:
        joints[joint] = joints[parent] + rotation.apply(bone)

    lean, twist, bend = angles[:, GROUPS["T"]].T
    spine = _turn("yxz", twist, lean, bend)
    for joint, share in (("chest", 0.21), ("neck", 0.3), ("head", 0.4)):
        grow(joint, "pelvis", spine, 0, share * height, 0)
    limbs = {}
    for side, sign in (("L", 1), ("R", -1)):
        flexion, abduction, knee = angles[:, GROUPS[side.lower()]].T
        limbs["thigh"] = thigh = _turn("zx", sign * abduction, -flexion)
        shank = thigh * _turn("x", knee)
        grow(f"hip_{side}", "pelvis", Rotation.identity(), sign * 0.055 * height, 0, 0)
        grow(f"knee_{side}", f"hip_{side}", thigh, 0, -0.245 * style.leg, 0)
        grow(f"ankle_{side}", f"knee_{side}", shank, 0, -0.246 * style.leg, 0)
        grow(f"toe_{side}", f"ankle_{side}", shank, sign * 0.03, -0.02, 0.11 * height)
        yaw, elevation, roll, flexion, pronation = angles[:, GROUPS[side]].T
        upper = spine * _turn("yxy", -sign * yaw, -elevation, -sign * roll)
        limbs["forearm"] = forearm = upper * _turn("xy", -flexion, -sign * pronation)
        grow(f"shoulder_{side}", "neck", spine, sign * 0.115 * height, -0.02 * height, 0)
        grow(f"elbow_{side}", f"shoulder_{side}", upper, 0, -0.18 * style.arm, 0)
        grow(f"wrist_{side}", f"elbow_{side}", forearm, 0, -0.15 * style.arm, 0)
        grow(f"hand_{side}", f"elbow_{side}", forearm, 0, -0.21 * style.arm, 0)
    feet = np.stack([joints["ankle_R"], joints["ankle_L"]])
    root = -feet.mean(axis=0)
    root[:, 0] = style.place
    # The soft minimum (2 cm) of both heights: a hard one would jolt the body at each change of the standing foot.
    root[:, 1] = 0.02 * np.log(np.exp(-feet[:, :, 1] / 0.02).mean(axis=0))
    return {name: place + root for name, place in joints.items()}, limbs


def measure(moving: Figure, rate: int = SAMPLE_RATE) -> np.ndarray:
    """The ideal sensor's signal (T, 6) at `rate`: specific force in g, angular rate in deg/s, in its own axes."""
    step = 1 / FINE_RATE
    acceleration = np.gradient(np.gradient(moving.sensor, step, axis=0), step, axis=0)
    force = moving.rotation.inv().apply(acceleration / GRAVITY + [0, 1, 0])
    turning = np.degrees((moving.rotation[:-1].inv() * moving.rotation[1:]).as_rotvec()) / step
    fine = np.hstack([force, np.vstack([turning, turning[-1:]])])
    return fine.reshape(-1, FINE_RATE // rate, 6).mean(
        axis=1
    )  # the mean over a sample's interval is the anti-alias filter


def inertial(moving: Figure, rng: np.random.Generator) -> np.ndarray:
    """`measure` with bias, noise and saturation."""
    scale = np.repeat([0.015, 1.0], 3)
    signal = measure(moving)
    signal += scale * rng.normal(0, 1, 6) + scale * rng.normal(0, 1, signal.shape)
    limit = np.repeat([ACC_RANGE, GYRO_RANGE], 3)
    return np.clip(signal, -limit, limit)


def frames(moving: Figure, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """The film: uint8 (240, 320, 3) RGB frames at FRAME_RATE, bones drawn as capsules, the far ones first."""
    width, height = SIZE
    count = round(len(moving.sensor) / FINE_RATE * FRAME_RATE)
    at = np.minimum(np.arange(count) * FINE_RATE // FRAME_RATE, len(moving.sensor) - 1)
    joints = {name: place[at] for name, place in moving.joints.items()}
    scale = {n: PIXELS_PER_METRE * CAMERA_DISTANCE / (CAMERA_DISTANCE - place[:, 2]) for n, place in joints.items()}
    column = {n: width / 2 + scale[n] * place[:, 0] for n, place in joints.items()}
    row = {n: HORIZON - scale[n] * (place[:, 1] - CAMERA_HEIGHT) for n, place in joints.items()}
    wall = np.linspace(205, 170, height)[:, None, None] + moving.style.wall + rng.normal(0, 2, (height, width, 1))
    empty = Image.fromarray(np.clip(wall, 0, 255).astype(np.uint8))
    for k in range(count):
        image = empty.copy()
        draw = ImageDraw.Draw(image)
        # In steps of 25 cm, or the sway would reorder parts of the same depth from frame to frame.
        depth = {name: place[k, 2] for name, place in joints.items()}
        for a, b, thickness, colour in sorted(BONES, key=lambda bone: round(2 * (depth[bone[0]] + depth[bone[1]]))):
            ends = [(column[end][k], row[end][k]) for end in (a, b)]
            radius = thickness * scale[b][k] / 2
            draw.line(ends, moving.style.colours[colour], round(2 * radius))
            for x, y in ends:
                draw.ellipse((x - radius, y - radius, x + radius, y + radius), moving.style.colours[colour])
        yield np.asarray(image)


def _write_video(path: Path, film: Iterator[np.ndarray]) -> None:
    with av.open(str(path), "w", format="avi") as container:
        stream = container.add_stream("mpeg4", rate=FRAME_RATE)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = *SIZE, "yuv420p", 600_000
        stream.codec_context.codec_tag = "XVID"
        stream.codec_context.thread_count = 1  # more threads would make the bytes depend on the machine
        for image in film:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())


def _header(seed: int) -> bytes:
    """The .mat file's free text (116 bytes). scipy's own holds the time of day; ours tells whose the file is."""
    return f"MATLAB 5.0 MAT-file, synthetic UTD-MHAD layout, version {VERSION}, seed {seed}".encode().ljust(116)


def _paths(folder: Path, action: int, subject: int, trial: int) -> tuple[Path, Path]:
    stem = f"a{action}_s{subject}_t{trial}"
    return folder / "RGB" / f"{stem}_color.avi", folder / "Inertial" / f"{stem}_inertial.mat"


def _write_clip(folder: Path, seed: int, clip: tuple[int, int, int]) -> None:
    video, mat = _paths(folder, *clip)
    moving, rng = figure(seed, *clip), np.random.default_rng([seed, 4, *clip])
    content = io.BytesIO()
    savemat(content, {"d_iner": inertial(moving, rng)})
    # Not waited for until it is on the disk: that takes longer than to draw the clip again.
    with writing(video, to_disk=False) as part:
        _write_video(part, frames(moving, rng))
    with writing(mat, to_disk=False) as part:
        part.write_bytes(_header(seed) + content.getvalue()[116:])


def _missing(folder: Path, seed: int, clips: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Clips still to write; ValueError where a signal is there that this corpus would not hold."""
    wanted = {_paths(folder, *clip)[1] for clip in clips}
    for mat in sorted((folder / "Inertial").glob("*.mat")):
        with mat.open("rb") as file:
            ours = file.read(116) == _header(seed)
        if mat not in wanted or not ours:
            raise ValueError(f"{folder} holds {mat.name} of another corpus: choose an empty folder or remove it first")
    return [clip for clip in clips if not all(path.exists() for path in _paths(folder, *clip))]


def each(write: Callable[..., None], folder: Path, seed: int, clips: Sequence[tuple]) -> Iterator[None]:
    """Writes the clips, in processes where that pays, and yields after each."""
    if len(clips) < SPAWN_FROM:
        yield from (write(folder, seed, clip) for clip in clips)
        return
    workers = min(len(os.sched_getaffinity(0)), len(clips))
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for future in as_completed([pool.submit(write, folder, seed, clip) for clip in clips]):
            yield future.result()


def write(
    folder: Path, *, subjects: int = 8, trials: int = 2, actions: int = 27, seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> Path:  # fmt: skip
    """Writes the corpus, or what is missing of it, and returns the folder; corpus.json comes last.

    `RGB/a1_s1_t1_color.avi`: MPEG-4 part 2 (XVID), 320x240, 15 fps. `Inertial/a1_s1_t1_inertial.mat`: `d_iner`,
    float64 (T, 6), ax ay az in g with gravity, gx gy gz in deg/s, 50 Hz. Every clip depends on its own numbers and
    the seed only. `on_progress` is told (done, total). ValueError: the folder holds another corpus.
    From SPAWN_FROM clips on processes are spawned, so a script calls this under `if __name__ == "__main__"`.
    """
    about = {"name": "synthetic (UTD-MHAD layout)", "video": "drawn figure", "version": VERSION}
    about |= {"subjects": subjects, "trials": trials, "actions": actions, "seed": seed}
    label = folder / "corpus.json"
    if label.exists():
        found = read_json(label)
        if found != about:
            raise ValueError(f"{folder} holds {found}, not {about}: choose another folder or remove this one first")
        return folder
    for name in ("RGB", "Inertial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        remove_parts(folder / name)
    clips = list(product(range(1, actions + 1), range(1, subjects + 1), range(1, trials + 1)))
    missing = _missing(folder, seed, clips)
    for done, _ in enumerate(each(_write_clip, folder, seed, missing), start=len(clips) - len(missing) + 1):
        if on_progress:
            on_progress(done, len(clips))
    write_whole(label, json.dumps(about, indent=2) + "\n")
    return folder

"""The synthetic corpora's one 3-D figure: who moves, how the joint angles change, and where the joints are.

Axes: x to the subject's left, y up, z forward, to where the subject looks; metres, seconds, radians.
"""

from typing import NamedTuple

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from datasets.synthetic.movements import CHANNELS, GROUPS, REST, Keys, Pose

SAMPLE_RATE, OVERSAMPLING = 50, 4
FINE_RATE = SAMPLE_RATE * OVERSAMPLING
DURATION = (2.2, 6.4)


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

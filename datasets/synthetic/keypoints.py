"""What OpenPifPaf finds of the synthetic figure in a camera's frames: COCO's 17 key points, as in MMAct's challenge.

The key points, in COCO's order: nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles, the subject's left
of each pair first.
"""

from collections.abc import Iterator

import numpy as np

from datasets.synthetic import sensors
from datasets.synthetic.figure import Figure

POINTS = (
    *("nose", "eye_L", "eye_R", "ear_L", "ear_R"),
    *(f"{joint}_{side}" for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle") for side in "LR"),
)
# Of the head's centre, in metres to the subject's left, up and forward.
FACE = {"nose": (0, 0, 0.12), "eye_L": (0.035, 0.03, 0.1), "eye_R": (-0.035, 0.03, 0.1)}
FACE |= {"ear_L": (0.1, 0, 0), "ear_R": (-0.1, 0, 0)}
HIDDEN = 0.03  # metres behind the head's centre, seen from the camera: a point of the face is not found there
NOISE = 1.0  # pixels
MISSED = 0.04  # share of the frames in which nobody is found
NOBODY = [0.0] * 3 * len(POINTS)

_IS_FACE = np.isin(POINTS, list(FACE))

Frame = dict[str, list[float]]


def positions(moving: Figure) -> np.ndarray:
    """The key points (N, 17, 3) at FINE_RATE, in the figure's axes, in metres."""
    joints = moving.joints
    left, up = _unit(joints["shoulder_L"] - joints["shoulder_R"]), _unit(joints["head"] - joints["neck"])
    forward = np.cross(left, up)
    places = joints | {n: joints["head"] + x * left + y * up + z * forward for n, (x, y, z) in FACE.items()}
    return np.stack([places[name] for name in POINTS], axis=1)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def frames(
    moving: Figure,
    rng: np.random.Generator,
    occluder: tuple[int, int, int] | None,
    beside: bool,
    missed: float = MISSED,
) -> Iterator[Frame]:
    """What is found in each frame of `sensors.frames`: 51 numbers a person, column, row and confidence of each point.

    A point that isn't found is three zeros, and in a share `missed` of the frames all of person1's are. `occluder` is
    the first column and row of what stands before the legs, and the column behind its last. `beside` is whether
    somebody stands beside the figure in the first half of the clip, who is found with half the confidence.
    """
    at = sensors.film_samples(moving)
    places = positions(moving)[at]
    column, row, _ = sensors.project(places)
    found = np.stack([column, row, rng.uniform(0.6, 0.95, column.shape)], axis=2)
    found[:, :, :2] += rng.normal(0, NOISE, (*column.shape, 2))
    found[moving.joints["head"][at, None, 2] - places[:, :, 2] > np.where(_IS_FACE, HIDDEN, np.inf)] = 0
    other = found[0] * [1, 1, 0.5] + [70, 0, 0]
    if occluder:
        left, top, right = occluder
        found[(column >= left) & (column < right) & (row >= top)] = 0
    for k, points in enumerate(found):
        frame = {"person1": NOBODY if rng.random() < missed else _flat(points)}
        if beside and k < len(found) / 2:
            frame["person2"] = _flat(other)
        yield frame


def _flat(points: np.ndarray) -> list[float]:
    return np.where(points[:, 2:] > 0, points, 0).round(2).ravel().tolist()

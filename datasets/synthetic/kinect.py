"""What a Kinect sees of the synthetic figure: the skeleton it tracks, and depth in millimetres.

The files are those of UTD-MHAD: `d_skel` (20, 3, T) in metres and `d_depth` (240, 320, T) in millimetres, with one
depth frame for each skeleton frame. The axes are the Kinect's: x to the subject's right, which is the image's right
too, y up, z away from the Kinect. The joints' order is that of the data set's Skeleton_joint_order.txt.
"""

import numpy as np
from scipy.ndimage import gaussian_filter1d

from datasets.synthetic.figure import FINE_RATE, Figure
from datasets.synthetic.movements import BONES

# The figure's joints in the order of the data set's: a hand is a hand, a foot a toe.
JOINTS = (
    *("head", "neck", "spine", "hip_center"),
    *(f"{joint}_{side}" for side in "LR" for joint in ("shoulder", "elbow", "wrist", "hand")),
    *(f"{joint}_{side}" for side in "LR" for joint in ("hip", "knee", "ankle", "toe")),
)
DISTANCE, HEIGHT = 2.9, 1.0  # metres from the figure's feet, and above them
SIZE = (240, 320)
FOCAL = 285.63  # pixels at this size; NUI_CAMERA_DEPTH_NOMINAL_FOCAL_LENGTH_IN_PIXELS of the Kinect SDK 1.8
RATE = 30  # frames a second, of which a recorder loses some: about 19 are left, as in UTD-MHAD
LOST, SHARES = (0, 1, 2), (0.5, 0.42, 0.08)  # frames lost after one that is kept, and how often
DISPARITY = 2.9e-6  # 1/mm, the step of a disparity: 18 mm at 2.5 m, 26 mm at 3 m, as between UTD-MHAD's values
NOISE = 0.3  # of a depth pixel, in disparities
HOLES = 0.005  # share of the body's pixels that aren't measured
JITTER = 0.006  # metres, of a joint's coordinate; a t distribution gives the jumps of a tracker


def moments(moving: Figure, rng: np.random.Generator) -> np.ndarray:
    """The clip's samples (T,), at FINE_RATE, at which the Kinect sees the figure."""
    steps = 1 + rng.choice(LOST, len(moving.sensor) * RATE // FINE_RATE, p=SHARES)
    at = np.cumsum(steps) * FINE_RATE // RATE
    return at[at < len(moving.sensor)]


def positions(moving: Figure, at: np.ndarray) -> dict[str, np.ndarray]:
    """The figure's own joints (T, 3) in the Kinect's axes, in metres."""
    return {n: place[at] * [-1, 1, -1] + [0, -HEIGHT, DISTANCE] for n, place in moving.joints.items()}


def skeleton(moving: Figure, at: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The tracked joints, float64 (20, 3, T) in metres, with the tracker's jitter."""
    seen = positions(moving, at)
    pelvis, chest = seen["pelvis"], seen["chest"]
    # A Kinect puts both above the hips, close to each other.
    seen |= {"hip_center": pelvis + 0.25 * (chest - pelvis), "spine": pelvis + 0.45 * (chest - pelvis)}
    joints = np.stack([seen[name].T for name in JOINTS])
    return joints + gaussian_filter1d(JITTER * rng.standard_t(3, joints.shape), 1, axis=2)


def depth(moving: Figure, at: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Depth frames, uint16 (240, 320, T) in millimetres, 0 where no body is: the bones are capsules."""
    frames = np.zeros((*SIZE, len(at)), np.uint16, order="F")  # as a .mat holds it: a frame's pixels side by side
    seen = positions(moving, at)
    joints = {n: np.column_stack([project(place), place[:, 2]]) for n, place in seen.items()}
    for k in range(len(at)):
        nearest = np.full(SIZE, np.inf)
        for a, b, width, _ in BONES:
            _draw(nearest, joints[a][k], joints[b][k], width / 2)
        body = np.isfinite(nearest)
        disparity = 1 / (1000 * nearest[body] * DISPARITY) + rng.normal(0, NOISE, body.sum())
        measured = rng.random(body.sum()) > HOLES
        frames[body, k] = np.where(measured, 1 / (DISPARITY * np.rint(disparity)), 0)
    return frames


def project(places: np.ndarray) -> np.ndarray:
    """Column and row (..., 2) in pixels of places (..., 3) in metres."""
    height, width = SIZE
    return [width / 2, height / 2] + FOCAL * places[..., :2] * [1, -1] / places[..., 2:]


def _draw(nearest: np.ndarray, a: np.ndarray, b: np.ndarray, radius: float) -> None:
    """Draws a capsule from `a` to `b`, each (column, row, metres away), where it is nearer than what is there."""
    (xa, ya, za), (xb, yb, zb) = a, b
    ra, rb = FOCAL * radius / za, FOCAL * radius / zb
    left, right = (int(np.clip(x, 0, SIZE[1])) for x in (min(xa - ra, xb - rb), max(xa + ra, xb + rb) + 1))
    top, bottom = (int(np.clip(y, 0, SIZE[0])) for y in (min(ya - ra, yb - rb), max(ya + ra, yb + rb) + 1))
    y, x = np.ogrid[top:bottom, left:right]
    dx, dy = xb - xa, yb - ya
    along = np.clip(((x - xa) * dx + (y - ya) * dy) / max(dx * dx + dy * dy, 1e-9), 0, 1)
    off = ((x - xa - along * dx) ** 2 + (y - ya - along * dy) ** 2) / (ra + along * (rb - ra)) ** 2
    surface = za + along * (zb - za) - radius * np.sqrt(np.maximum(1 - off, 0))
    part = nearest[top:bottom, left:right]
    np.copyto(part, surface, where=(off < 1) & (surface < part))

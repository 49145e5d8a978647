"""What an inertial sensor measures on the synthetic figure, and what a camera films of it.

Axes: x to the subject's left (the image's right), y up, z forward to the camera; metres, seconds, radians.
"""

from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw
from scipy.spatial.transform import Rotation

from datasets.synthetic.figure import FINE_RATE, SAMPLE_RATE, Figure
from datasets.synthetic.movements import BONES

FRAME_RATE = 15
GRAVITY = 9.81
ACC_RANGE, GYRO_RANGE = 8.0, 1000.0  # g and deg/s
SIZE = (320, 240)
CAMERA_DISTANCE, CAMERA_HEIGHT, PIXELS_PER_METRE, HORIZON = 6.0, 0.9, 90.0, 135  # m, m, at z = 0, image row


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


def orientation(rotation: Rotation) -> np.ndarray:
    """(N, 3) degrees: azimuth from 0 to 360, pitch, roll, as a phone gives them."""
    r = rotation.as_matrix()
    azimuth, roll = np.arctan2(r[:, 0, 1], r[:, 1, 1]), np.arctan2(-r[:, 2, 0], r[:, 2, 2])
    pitch = np.arcsin(np.clip(-r[:, 2, 1], -1, 1))
    return np.degrees(np.stack([azimuth % (2 * np.pi), pitch, roll], axis=1))


def film_samples(moving: Figure) -> np.ndarray:
    """The clip's samples, at FINE_RATE, of which a camera takes a frame at FRAME_RATE."""
    count = round(len(moving.sensor) / FINE_RATE * FRAME_RATE)
    return np.minimum(np.arange(count) * FINE_RATE // FRAME_RATE, len(moving.sensor) - 1)


def project(places: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Column and row in the image, and pixels per metre, each (...), of places (..., 3) in metres."""
    scale = PIXELS_PER_METRE * CAMERA_DISTANCE / (CAMERA_DISTANCE - places[..., 2])
    return SIZE[0] / 2 + scale * places[..., 0], HORIZON - scale * (places[..., 1] - CAMERA_HEIGHT), scale


def frames(moving: Figure, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """The film: uint8 (240, 320, 3) RGB frames at FRAME_RATE, bones drawn as capsules, the far ones first."""
    width, height = SIZE
    at = film_samples(moving)
    joints = {name: place[at] for name, place in moving.joints.items()}
    seen = {name: project(place) for name, place in joints.items()}
    wall = np.linspace(205, 170, height)[:, None, None] + moving.style.wall + rng.normal(0, 2, (height, width, 1))
    empty = Image.fromarray(np.clip(wall, 0, 255).astype(np.uint8))
    for k in range(len(at)):
        image = empty.copy()
        draw = ImageDraw.Draw(image)
        # In steps of 25 cm, or the sway would reorder parts of the same depth from frame to frame.
        depth = {name: place[k, 2] for name, place in joints.items()}
        for a, b, thickness, colour in sorted(BONES, key=lambda bone: round(2 * (depth[bone[0]] + depth[bone[1]]))):
            ends = [(seen[end][0][k], seen[end][1][k]) for end in (a, b)]
            radius = thickness * seen[b][2][k] / 2
            draw.line(ends, moving.style.colours[colour], round(2 * radius))
            for x, y in ends:
                draw.ellipse((x - radius, y - radius, x + radius, y + radius), moving.style.colours[colour])
        yield np.asarray(image)

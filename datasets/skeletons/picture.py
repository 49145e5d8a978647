"""Skeletons as pictures, for the report. S samples, J joints, D axes."""

import numpy as np
from PIL import Image, ImageDraw
from PIL.Image import Resampling

from datasets.skeletons.joints import Joints

SIZE, MARGIN, FINE = 120, 8, 2  # pixels; drawn so many times larger and then made smaller


def frames(x_SJD: np.ndarray, weight_SJ: np.ndarray, joints: Joints) -> tuple[np.ndarray, np.ndarray]:
    """Stick figures (S, SIZE, SIZE, 3) uint8 in the plane of the first two axes, and the joints' weights as spots
    (S, SIZE, SIZE). Of a Kinect's axes this is the person as in a mirror.

    The figure keeps its scale over the clip. Where the corpus has three axes the second points up, of an image's two it
    points down. A joint that was never found, which is NaN, isn't drawn.
    """
    plane_SJ2 = x_SJD[..., :2] * (1, -1 if len(joints.axes) == 3 else 1)
    low_2, high_2 = np.nanmin(plane_SJ2, axis=(0, 1)), np.nanmax(plane_SJ2, axis=(0, 1))
    side = max(float((high_2 - low_2).max()), 1e-6)
    scale = FINE * (SIZE - 2 * MARGIN) / side
    at_SJ2 = FINE * SIZE / 2 + scale * (plane_SJ2 - (low_2 + high_2) / 2)
    bones = [joints.places(bone) for bone in joints.bones]
    shown = [_figure(at_J2, bones) for at_J2 in at_SJ2]
    return np.stack(shown), np.stack([_spots(at / FINE, weight) for at, weight in zip(at_SJ2, weight_SJ, strict=True)])


def _figure(at_J2: np.ndarray, bones: list[list[int]]) -> np.ndarray:
    image = Image.new("RGB", (FINE * SIZE, FINE * SIZE), (245, 245, 245))
    draw = ImageDraw.Draw(image)
    found_J = np.asarray(np.isfinite(at_J2).all(axis=1))
    for a, b in (bone for bone in bones if found_J[bone].all()):
        draw.line([tuple(at_J2[a]), tuple(at_J2[b])], (60, 60, 60), 2 * FINE)
    for x, y in at_J2[found_J]:
        draw.ellipse((x - 2 * FINE, y - 2 * FINE, x + 2 * FINE, y + 2 * FINE), (0, 114, 178))
    return np.asarray(image.resize((SIZE, SIZE), Resampling.BOX))


def _spots(at_J2: np.ndarray, weight_J: np.ndarray, radius: float = 5.0) -> np.ndarray:
    """(SIZE, SIZE) float32: a Gaussian of `radius` pixels about each joint, as high as its weight."""
    found_J, grid = np.asarray(np.isfinite(at_J2).all(axis=1)), np.arange(SIZE)
    at_J2, weight_J = at_J2[found_J], weight_J[found_J]
    x_JW = np.exp(-0.5 * ((grid - at_J2[:, :1]) / radius) ** 2)
    y_JH = np.exp(-0.5 * ((grid - at_J2[:, 1:]) / radius) ** 2)
    return np.einsum("j,jh,jw->hw", weight_J, y_JH, x_JW).astype(np.float32)

"""Millimetres to pictures of the person: where they are, and how near each pixel is. T frames, H, W pixels."""

import numpy as np
from PIL import Image

# A row or column belongs to the person where in MOMENTS frames or more it has PIXELS or more that were measured, so
# that single stray pixels don't widen the square. Of UTD-MHAD's recordings it then lacks two of their pixels at most.
PIXELS, MOMENTS = 4, 2
MARGIN = 1.05
# Millimetres a grey level: a metre to either side of the person's median, in steps finer than a Kinect's (24 mm at
# 2.8 m in UTD-MHAD's recordings). None of a person's pixels of 99.9 % of a recording lies beyond.
MM_A_LEVEL = 8


def pictures(depth_THW: np.ndarray, chosen: np.ndarray, size: int) -> np.ndarray:
    """Of the frames `chosen` by number (len(chosen), size, size) uint8, nearer is brighter.

    A pixel is 128 + (median - depth) / 8 mm, at least 1 and at most 255, where the median is over all that was measured
    in the clip; where nothing was, it is 0. The square around the person is the same in all frames. It is scaled with a
    filter that is as wide as a pixel of the result; an edge is darker by the share of it that wasn't measured.
    """
    median = np.median(depth_THW[depth_THW > 0])
    top, left, side = square(depth_THW)
    found = np.zeros((len(chosen), size, size), np.uint8)
    for i, number in enumerate(chosen.tolist()):
        image = Image.fromarray(grey(depth_THW[number], float(median)))
        inside = image.crop((left, top, left + side, top + side))  # black beyond the frame
        found[i] = np.asarray(inside.resize((size, size), Image.Resampling.BILINEAR))
    return found


def grey(depth: np.ndarray, median: float) -> np.ndarray:
    level = np.clip(128 + np.rint((median - depth.astype(np.float32)) / MM_A_LEVEL), 1, 255)
    return np.where(depth > 0, level, 0).astype(np.uint8)


def square(depth_THW: np.ndarray) -> tuple[int, int, int]:
    """Top, left and side of the square around the person over the clip, with a margin; it may reach beyond the frame.

    All that was measured is taken for the person: UTD-MHAD's background is removed.
    """
    measured = depth_THW > 0
    top, bottom = _extent(measured.sum(axis=2))
    left, right = _extent(measured.sum(axis=1))
    side = round(MARGIN * max(bottom - top, right - left))
    return (top + bottom - side) // 2, (left + right - side) // 2, side


def _extent(counts: np.ndarray) -> tuple[int, int]:
    """The first row or column of the person and the one after the last, by how many pixels of it each frame has."""
    there = np.flatnonzero((counts >= PIXELS).sum(axis=0) >= MOMENTS)
    if not len(there):  # next to nothing was measured
        there = np.flatnonzero(counts.any(axis=0))
    return int(there[0]), int(there[-1]) + 1

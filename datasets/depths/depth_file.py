"""Read one depth recording, UTD-MHAD's .mat or a .npz of one's own, to millimetres. T frames, H, W pixels."""

from pathlib import Path

import numpy as np

from datasets.files import mat, npz
from datasets.files.bounded import check_bounded
from datasets.files.file_type import mistaken

# `d_depth` of UTD-MHAD's Depth/a{A}_s{S}_t{T}_depth.mat is (240, 320, T) uint16 (Chen et al., ICIP 2015).
MAT, NPZ = "_depth.mat", "_depth.npz"
MAX_BYTES = 256 << 20  # of a recording, decompressed: 90 seconds of 320x240 pixels at UTD-MHAD's 19 frames a second
LEAST_FRAMES, MOST_FRAMES = 10, 10_000
LEAST_SIDE, MOST_SIDE = 16, 4096
MOST_MM = 65_535  # what 16 bits hold
# No depth camera sees anything nearer. Metres and grey levels lie below it.
LEAST_MM = 256


def read(file: Path) -> np.ndarray:
    """(T, H, W) uint16 millimetres, 0 where nothing was measured. The content tells the format.

    Raises ValueError where the file is broken or too large, or holds no such frames.
    """
    check_bounded(file, MAX_BYTES)
    with file.open("rb") as content:
        zipped = content.read(4) == b"PK\3\4"
    try:
        if zipped:
            return checked(npz.read_array(file, "depth", MAX_BYTES), "depth", "frames x height x width")
        depth = mat.read_variable(file, "d_depth", MAX_BYTES)
        if depth.ndim == 3:
            depth = depth.transpose(2, 0, 1)
        return checked(depth, "d_depth", "height x width x frames")
    except ValueError as error:
        raise ValueError((None if zipped else mistaken(file)) or str(error)) from None


def checked(depth: np.ndarray, name: str, order: str) -> np.ndarray:
    """The frames as uint16; `order` says how the file is to have them. Raises ValueError."""
    if depth.ndim != 3:
        raise ValueError(f"{name} is {'x'.join(map(str, depth.shape))}, not {order}")
    frames, height, width = depth.shape
    if not LEAST_SIDE <= min(height, width) <= max(height, width) <= MOST_SIDE:
        raise ValueError(
            f"{name} has frames of {width}x{height}, not of {LEAST_SIDE} to {MOST_SIDE} pixels a side: it is {order}"
        )
    if not LEAST_FRAMES <= frames <= MOST_FRAMES:
        raise ValueError(f"{name} has {frames} frames, not {LEAST_FRAMES} to {MOST_FRAMES:,}: it is {order}")
    if depth.dtype.kind not in "fiu":
        raise ValueError(f"{name} holds {depth.dtype}, not millimetres")
    if depth.dtype.kind == "f" and not np.isfinite(depth).all():
        bad = int((~np.isfinite(depth)).sum())
        raise ValueError(f"{name} has {bad} values that are NaN or infinite: write 0 where nothing was measured")
    if depth.min() < 0 or depth.max() > MOST_MM:
        raise ValueError(f"{name} goes from {depth.min():g} to {depth.max():g}, not from 0 to {MOST_MM} mm")
    measured = depth[depth > 0]
    if not len(measured):
        raise ValueError(f"{name} is 0 everywhere: nothing was measured")
    if (median := float(np.median(measured))) < LEAST_MM:
        raise ValueError(
            f"{name} has a median of {median:.3g} mm, nearer than any depth camera measures ({LEAST_MM} mm): write it"
            " in millimetres, which are metres times 1000"
        )
    return (depth.round() if depth.dtype.kind == "f" else depth).astype(np.uint16, copy=False)

"""Read one inertial recording, a .mat or a .csv, to float32 samples.

Recordings come from anywhere: what a file asks for is bounded before it is given.
"""

from pathlib import Path

import numpy as np

from datasets.files import bounded, mat
from datasets.files.file_type import mistaken
from datasets.signals import dialect

# Acceleration in g with gravity, angular rate in deg/s, at 50 Hz: d_iner's columns.
CHANNELS = ("ax", "ay", "az", "gx", "gy", "gz")
UNITS = ("g", "deg/s")  # of each triplet of axes
HZ = 50.0
MAX_SIGNAL_BYTES = 64 << 20  # of a signal, decompressed; at 50 Hz six channels of doubles fill it in seven hours


def read_bounded(file: Path, most: int = MAX_SIGNAL_BYTES) -> bytes:
    """Raises ValueError for what is no regular file or holds more bytes."""
    return bounded.read_bounded(file, most)


def read_mat(file: Path) -> np.ndarray:
    """`d_iner` of a UTD-MHAD inertial file: (S, 6), acceleration in g, angular rate in deg/s, 50 Hz."""
    signal = mat.read_variable(file, "d_iner", MAX_SIGNAL_BYTES)
    if signal.ndim != 2 or signal.shape[1] != len(CHANNELS):
        turned = ": transpose it" if signal.ndim == 2 and signal.shape[0] == len(CHANNELS) else ""
        raise ValueError(f"d_iner is {'x'.join(map(str, signal.shape))}, not samples x {len(CHANNELS)}{turned}")
    if signal.dtype.kind not in "fiu":
        raise ValueError(f"d_iner holds {signal.dtype}, not numbers")
    if len(signal) == 0:
        raise ValueError("d_iner is empty")
    with np.errstate(over="ignore"):
        signal = signal.astype(np.float32)
    if not np.isfinite(signal).all():
        raise ValueError(f"d_iner has {int((~np.isfinite(signal)).sum())} values that are NaN or infinite")
    return signal


def read_csv(file: Path) -> np.ndarray:
    """A CSV whose header names the CHANNELS, in any order, a line a sample at 50 Hz: (S, 6) as read_mat gives it."""
    units = {name: UNITS[i // 3] for i, name in enumerate(CHANNELS)}
    with np.errstate(over="ignore"):  # what a float32 can't hold becomes infinite, and is refused as that
        return dialect.read_columns(read_bounded(file), units).astype(np.float32)


SIGNALS = {".csv": read_csv, ".mat": read_mat}


def read_signal(file: Path) -> np.ndarray:
    """(S, 6) of a .csv or a .mat, by the end of its name."""
    try:
        return SIGNALS[file.suffix.lower()](file)
    except ValueError as error:
        raise ValueError(mistaken(file) or str(error)) from None


def pad_signal(signal: np.ndarray, samples: int) -> tuple[np.ndarray, int]:
    """(samples, C) float32, zero after the end, and the true length."""
    if len(signal) > samples:
        raise ValueError(f"a signal of {len(signal)} samples doesn't fit into {samples}")
    out = np.zeros((samples, signal.shape[1]), np.float32)
    out[: len(signal)] = signal
    return out, len(signal)

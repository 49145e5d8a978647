"""Read one inertial recording, a .mat or a .csv, to float32 samples.

Recordings come from anywhere: what a file asks for is bounded before it is given.
"""

import io
import math
import stat
import struct
import zlib
from pathlib import Path

import numpy as np
import scipy.io

from datasets.files.file_type import mistaken
from datasets.signals import dialect

# Acceleration in g with gravity, angular rate in deg/s, at 50 Hz: d_iner's columns.
CHANNELS = ("ax", "ay", "az", "gx", "gy", "gz")
UNITS = ("g", "deg/s")  # of each triplet of axes
HZ = 50.0
MAT_COMPRESSED = 15  # the type of an element of a MATLAB 5 file
MAX_SIGNAL_BYTES = 64 << 20  # of a signal, decompressed; at 50 Hz six channels of doubles fill it in seven hours


def read_bounded(file: Path, most: int = MAX_SIGNAL_BYTES) -> bytes:
    """Raises ValueError for what is no regular file (a pipe would be waited for, for ever) or holds more bytes."""
    status = file.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("is no regular file")
    if status.st_size > most:
        raise ValueError(f"is larger than {most / (1 << 20):.3g} MB")
    return file.read_bytes()


def read_mat(file: Path) -> np.ndarray:
    """`d_iner` of a UTD-MHAD inertial file: (S, 6), acceleration in g, angular rate in deg/s, 50 Hz."""
    content = read_bounded(file)
    try:
        content = _inflated(content)
        if b"\x89HDF\r\n\x1a\n" in (content[:8], content[512:520]) or content.startswith(b"MATLAB 7.3"):
            raise ValueError("is a MATLAB file of version 7.3 (HDF5): save it with save(..., '-v7')")
        found = {name: (shape, kind) for name, shape, kind in scipy.io.whosmat(io.BytesIO(content))}
        shape, kind = found.get("d_iner", ((), "double"))
        # Of a cell or struct array scipy makes as many objects as its header says, whatever the file holds.
        if kind in ("cell", "struct", "object", "opaque", "function", "unknown", "logical", "char"):
            raise ValueError(f"d_iner holds {kind}, not numbers")
        if 8 * math.prod(shape) > MAX_SIGNAL_BYTES:
            raise ValueError(f"d_iner is {'x'.join(map(str, shape))}: more than {MAX_SIGNAL_BYTES >> 20} MB")
        content = scipy.io.loadmat(io.BytesIO(content), variable_names=["d_iner"])
    except Exception as error:  # scipy raises a dozen kinds on a broken file
        if isinstance(error, ValueError) and str(error).startswith(("d_iner", "is ")):
            raise
        if other := _text_kind(file):
            raise ValueError(other) from None
        raise ValueError(f"is no MATLAB file that can be read ({type(error).__name__}: {error})") from None
    if "d_iner" not in content:
        raise ValueError(f"has no variable d_iner; it has {', '.join(found)[:200] or 'none'}")
    signal = content["d_iner"]
    if not isinstance(signal, np.ndarray):
        raise ValueError(f"d_iner is a {type(signal).__name__}, not a full matrix (a sparse one?)")
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


def _text_kind(file: Path) -> str | None:
    head = file.read_bytes()[:64]
    if head.startswith(b"# Created by Octave"):
        return "is a text file of Octave's: save it with save -v7"
    if head.isascii() and 0 not in head and not head.startswith(b"MATLAB"):
        return "is a text file, not MATLAB's own (save -ascii?): save it with save -v7"
    return None


def _inflated(content: bytes) -> bytes:
    """A .mat file with its compressed parts decompressed, so that what is read is no larger than what was checked."""
    order = {b"IM": "<", b"MI": ">"}.get(content[126:128])
    if order is None:  # version 4 knows no compression
        return content
    out, at, room = [content[:128]], 128, MAX_SIGNAL_BYTES
    while at + 8 <= len(content):
        kind, size = struct.unpack(f"{order}II", content[at : at + 8])
        part = content[at : at + 8 + size]
        if kind == MAT_COMPRESSED:
            inflater = zlib.decompressobj()
            part = inflater.decompress(part[8:], room + 1)
            if not inflater.eof and len(part) <= room:
                raise ValueError("is cut off in a compressed part")
        room -= len(part)
        if room < 0:
            raise ValueError(f"is larger than {MAX_SIGNAL_BYTES >> 20} MB when decompressed")
        out.append(part)
        at += 8 + size
    return b"".join(out)


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

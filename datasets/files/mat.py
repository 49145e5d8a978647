"""Read one variable of a MATLAB file of version 4, 5, 6 or 7.

Recordings come from anywhere: what a file asks for is bounded before it is given.
"""

import io
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import scipy.io

from datasets.files.bounded import read_bounded

COMPRESSED = 15  # the type of an element of a MATLAB 5 file
# Of a cell or struct array scipy makes as many objects as its header says, whatever the file holds.
NOT_NUMBERS = ("cell", "struct", "object", "opaque", "function", "unknown", "logical", "char")


def read_variable(file: Path, name: str, most_bytes: int) -> np.ndarray:
    """The variable `name`, a full matrix of numbers of any shape and type.

    `most_bytes` bounds the file, its content when decompressed, and the variable. Raises ValueError where one of them
    is larger, or the file has no such variable; the message says what the file is and how to save it.
    """
    content = read_bounded(file, most_bytes)
    head = content[:64]
    try:
        content = _inflated(content, most_bytes)
        if b"\x89HDF\r\n\x1a\n" in (content[:8], content[512:520]) or content.startswith(b"MATLAB 7.3"):
            raise ValueError("is a MATLAB file of version 7.3 (HDF5): save it with save(..., '-v7')")
        found = {each: (shape, kind) for each, shape, kind in scipy.io.whosmat(io.BytesIO(content))}
        shape, kind = found.get(name, ((), "double"))
        if kind in NOT_NUMBERS:
            raise ValueError(f"{name} holds {kind}, not numbers")
        # MATLAB may store doubles as narrower whole numbers, and never the other way round.
        if (8 if kind == "sparse" else np.dtype(kind).itemsize) * math.prod(shape) > most_bytes:
            raise ValueError(f"{name} is {'x'.join(map(str, shape))}: more than {most_bytes >> 20} MB")
        variables = scipy.io.loadmat(io.BytesIO(content), variable_names=[name])
    except Exception as error:  # scipy raises a dozen kinds on a broken file
        if isinstance(error, ValueError) and str(error).startswith((f"{name} ", "is ")):
            raise
        if other := _text_kind(head):
            raise ValueError(other) from None
        raise ValueError(f"is no MATLAB file that can be read ({type(error).__name__}: {error})") from None
    if name not in variables:
        raise ValueError(f"has no variable {name}; it has {', '.join(found)[:200] or 'none'}")
    value = variables[name]
    if not isinstance(value, np.ndarray):
        raise ValueError(f"{name} is a {type(value).__name__}, not a full matrix (a sparse one?)")
    return value


def _text_kind(head: bytes) -> str | None:
    if head.startswith(b"# Created by Octave"):
        return "is a text file of Octave's: save it with save -v7"
    if head.isascii() and 0 not in head and not head.startswith(b"MATLAB"):
        return "is a text file, not MATLAB's own (save -ascii?): save it with save -v7"
    return None


def _inflated(content: bytes, most: int) -> bytes:
    """A .mat file with its compressed parts decompressed, so that what is read is no larger than what was checked."""
    order = {b"IM": "<", b"MI": ">"}.get(content[126:128])
    if order is None:  # version 4 knows no compression
        return content
    out, at, room = [content[:128]], 128, most
    while at + 8 <= len(content):
        kind, size = struct.unpack(f"{order}II", content[at : at + 8])
        part = content[at : at + 8 + size]
        if kind == COMPRESSED:
            inflater = zlib.decompressobj()
            part = inflater.decompress(part[8:], room + 1)
            if not inflater.eof and len(part) <= room:
                raise ValueError("is cut off in a compressed part")
        room -= len(part)
        if room < 0:
            raise ValueError(f"is larger than {most >> 20} MB when decompressed")
        out.append(part)
        at += 8 + size
    return b"".join(out)

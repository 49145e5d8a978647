"""What a container says of its own length: the one proof that a video file is cut off.

A header's number of frames is none: cameras count frames that they dropped, converters one too many.
"""

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

# Some writers count a chunk's own header into its length.
SPARE_BYTES = 16
# What an MP4 or QuickTime file may begin with.
FIRST_BOXES = frozenset(b"ftyp moov mdat free skip wide pnot udta uuid styp sidx moof junk meta".split())
TOP_BOXES = FIRST_BOXES | frozenset(b"mfra ssix prft emsg pdin idat jumb PICT".split())
EBML, SEGMENT = 0x1A45DFA3, 0x18538067


def missing_bytes(file: Path) -> int:
    """How many bytes an AVI, MP4 or Matroska file says it has beyond its end; 0 where it is whole, or another kind."""
    with file.open("rb") as f:
        head, size = f.read(12), os.fstat(f.fileno()).st_size
        if head[:4] == b"RIFF":
            end = _riff_end(f, size)
        elif head[:4] == EBML.to_bytes(4, "big"):
            end = _matroska_end(f)
        elif head[4:8] in FIRST_BOXES:
            end = max((at + length for at, length, _ in boxes(f, size)), default=0)
        else:
            return 0
    return max(0, end - size - SPARE_BYTES)


def boxes(f: BinaryIO, size: int) -> Iterator[tuple[int, int, bytes]]:
    """Start, length and kind of each box at the top of an MP4 file of `size` bytes, up to what is none.

    Players pass over what lies behind the boxes. Raises ValueError for a length that can't be.
    """
    at = 0
    while at + 8 <= size:
        f.seek(at)
        length, kind = struct.unpack(">I4s", f.read(8))
        if kind not in TOP_BOXES:
            return
        if length == 1:
            length = int.from_bytes(f.read(8), "big")
        length = length or size - at
        if length < 8:
            raise ValueError("is no MP4 file")
        yield at, length, kind
        at += length


def _riff_end(f: BinaryIO, size: int) -> int:
    """Of an AVI, which is one RIFF chunk or, beyond 1 GB, several; a recorder that was killed leaves a length of 0."""
    at = 0
    while at + 8 <= size:
        f.seek(at)
        kind, length = struct.unpack("<4sI", f.read(8))
        if kind != b"RIFF" or length in (0, 0xFFFFFFFF):
            break
        at += 8 + length
    return at


def _matroska_end(f: BinaryIO) -> int:
    """Where the segment ends, which holds all of the recording; 0 where its length is unknown, as of a live one."""
    f.seek(0)
    while (kind := _vint(f, keep_marker=True)) is not None:
        length = _vint(f, keep_marker=False)
        if length is None:
            return 0
        if kind == SEGMENT:
            return f.tell() + length
        f.seek(length, os.SEEK_CUR)
    return 0


def _vint(f: BinaryIO, *, keep_marker: bool) -> int | None:
    """An EBML number (RFC 8794, section 4); None at the end of the file, and for a length that is unknown."""
    first = f.read(1)
    if not first or not first[0]:
        return None
    width = 9 - first[0].bit_length()
    value = int.from_bytes(first + f.read(width - 1), "big")
    if keep_marker:
        return value
    value &= (1 << 7 * width) - 1
    return None if value == (1 << 7 * width) - 1 else value

"""The header of an MP4 file (ISO/IEC 14496-12): how many frames it holds, in microseconds and without decoding one."""

import os
import struct
from collections.abc import Iterator
from pathlib import Path

from datasets.decode import MAX_FRAMES

MAX_HEADER_BYTES = 32 << 20  # of MAX_FRAMES frames, each with its size, place and times: some 30 bytes


def read_header(file: Path) -> tuple[int, bytes]:
    """Frames of the video track, and the box that says so: it holds the size of every frame.

    Raises ValueError for what is no MP4 file, is cut off, has no video, or claims more frames than are decoded.
    """
    if not file.is_file():
        raise ValueError("is no regular file")
    moov = b""
    with file.open("rb") as f:
        _check_kind(f.read(12))
        size, at = os.fstat(f.fileno()).st_size, 0
        while at + 8 <= size:
            f.seek(at)
            length, kind = struct.unpack(">I4s", f.read(8))
            if length == 1:
                length = int.from_bytes(f.read(8), "big")
            length = length or size - at
            if length < 8:
                raise ValueError("is no MP4 file")
            if at + length > size:
                raise ValueError(f"is cut off: it holds {size} bytes, its boxes {at + length}")
            if kind == b"moov":
                if length > MAX_HEADER_BYTES:
                    raise ValueError(f"has a header of {length} bytes, more than {MAX_HEADER_BYTES >> 20} MB")
                f.seek(at)
                moov = f.read(length)
            at += length
    if not moov:
        raise ValueError("is no MP4 file, or cut off: it has no moov box")
    tracks = [next(_find(track, b"mdia"), b"") for track in _find(moov[8:], b"trak")]
    films = [track for track in tracks if any(box[8:12] == b"vide" for box in _find(track, b"hdlr"))]
    if not films:
        raise ValueError("has no video stream")
    tables = [table for kind in (b"stsz", b"stz2") for table in _find(films[0], b"minf", b"stbl", kind)]
    frames = int.from_bytes(tables[0][8:12], "big") if tables else 0
    if not frames:
        raise ValueError("has no frame in its video stream")
    if frames > MAX_FRAMES:
        raise ValueError(f"has {frames} frames, more than {MAX_FRAMES}")
    return frames, moov


def _check_kind(head: bytes) -> None:
    """Of another kind of file the lengths of boxes are noise, and it would be called cut off."""
    if head[:4] == b"RIFF":
        raise ValueError(f"is {'an AVI' if head[8:] == b'AVI ' else 'a RIFF'} file, not the MP4 that its name says")
    if head[:4] == b"\x1aE\xdf\xa3":
        raise ValueError("is a Matroska or WebM file, not the MP4 that its name says")


def _find(box: bytes, kind: bytes, *path: bytes) -> Iterator[bytes]:
    """The contents of the boxes of this kind, of those within them that `path` names."""
    at = 0
    while at + 8 <= len(box):
        length, name = struct.unpack(">I4s", box[at : at + 8])
        if length < 8:
            return
        if name == kind:
            content = box[at + 8 : at + length]
            yield from _find(content, *path) if path else (content,)
        at += length

"""The header of an MP4 file (ISO/IEC 14496-12): how many frames it shows, in microseconds and without decoding one."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from datasets.files import sandbox
from datasets.files.file_type import mistaken
from datasets.videos.containers import FIRST_BOXES, boxes
from datasets.videos.video_file import MAX_FRAMES, SUMMARY, check_regular

MAX_HEADER_BYTES = 32 << 20  # of MAX_FRAMES frames, each with its size, place and times: some 30 bytes


def read_header(file: Path) -> tuple[int, bytes]:
    """Frames that the film shows, and the box that says so: it holds the size of every frame.

    Where a header alone doesn't say it (several films, an edit list that hides frames, fragments, frames without
    content) the file is decoded, in a process apart. Raises ValueError for what is no MP4 file, is cut off, has no
    video, or counts more frames than may be decoded.
    """
    check_regular(file)
    try:
        moov = _moov(file)
    except (ValueError, OSError) as error:
        if other := mistaken(file):
            raise ValueError(other) from None
        raise error
    content = next(_find(moov, b"moov"), b"")
    tracks = list(_find(content, b"trak"))
    films = [track for track in tracks if any(box[8:12] == b"vide" for box in _find(track, b"mdia", b"hdlr"))]
    if not films:
        raise ValueError("has no video stream")
    frames = _plain_frames(content, films[0]) if len(films) == 1 else None
    if frames is None:
        frames = sandbox.examine(SUMMARY, file).count
    return frames, moov


def _moov(file: Path) -> bytes:
    moov = b""
    with file.open("rb") as f:
        _check_kind(f.read(12))
        size = os.fstat(f.fileno()).st_size
        for at, length, kind in boxes(f, size):
            if at + length > size:
                raise ValueError(f"is cut off: it holds {size} bytes, its boxes {at + length}")
            if kind == b"moov":
                if length > MAX_HEADER_BYTES:
                    raise ValueError(f"has a header of {length} bytes, more than {MAX_HEADER_BYTES >> 20} MB")
                f.seek(at)
                moov = f.read(length)
    if not moov:
        raise ValueError("is no MP4 file, or cut off: it has no moov box")
    return moov


def _check_kind(head: bytes) -> None:
    """Of another kind of file the lengths of boxes are noise, and it would be called cut off."""
    if head[:4] == b"RIFF":
        raise ValueError(f"is {'an AVI' if head[8:] == b'AVI ' else 'a RIFF'} file, not the MP4 that its name says")
    if head[:4] == b"\x1aE\xdf\xa3":
        raise ValueError("is a Matroska or WebM file, not the MP4 that its name says")
    if head[4:8] not in FIRST_BOXES:
        raise ValueError("is no MP4 file, which its name says")


def _plain_frames(moov: bytes, track: bytes) -> int | None:
    """How many frames the film of this track has; None unless all of them are shown, and none is elsewhere."""
    sizes = next(_find(track, b"mdia", b"minf", b"stbl", b"stsz"), b"")
    frames = int.from_bytes(sizes[8:12], "big")
    if frames > MAX_FRAMES:
        raise ValueError(f"has {frames} frames, more than {MAX_FRAMES}")
    each = np.frombuffer(sizes[12 : 12 + 4 * frames], ">u4") if len(sizes) >= 12 + 4 * frames else np.zeros(1)
    one_size = int.from_bytes(sizes[4:8], "big")
    if not frames or any(_find(moov, b"mvex")) or not (one_size or each.all()):
        return None
    return frames if _shows_all(moov, track, frames) else None


def _shows_all(moov: bytes, track: bytes, frames: int) -> bool:
    """Whether an edit list, where there is one, begins with the first frame and ends behind the last."""
    edits = next(_find(track, b"edts", b"elst"), None)
    if edits is None:
        return True
    wide = 8 if edits[:1] == b"\1" else 4
    if int.from_bytes(edits[4:8], "big") != 1 or edits[8 + 2 * wide :][:4] != b"\0\1\0\0":
        return False
    length, start = (int.from_bytes(edits[8 + i * wide :][:wide], "big") for i in (0, 1))
    scale, movie_scale = _time_scale(track, b"mdia", b"mdhd"), _time_scale(moov, b"mvhd")
    times = _times(track, frames)
    if not len(times) or not scale or not movie_scale:
        return False
    return start <= times.min() and times.max() < start + length * scale / movie_scale


def _times(track: bytes, frames: int) -> np.ndarray:
    """When each frame is shown, in units of its track; none where the tables don't fit the number of frames."""
    durations, shifts = (_runs(track, kind) for kind in (b"stts", b"ctts"))
    if len(durations) != frames or len(shifts) not in (0, frames):
        return np.zeros(0)
    # Stored one after the other; B-frames are shown later than that.
    return np.cumsum(durations) - durations + (shifts if len(shifts) else 0)


def _runs(track: bytes, kind: bytes) -> np.ndarray:
    """A table of counts and values, value by value."""
    table = next(_find(track, b"mdia", b"minf", b"stbl", kind), b"")
    pairs = np.frombuffer(table[8 : 8 + (len(table) - 8) // 8 * 8], ">i4").reshape(-1, 2).astype(np.int64)
    if len(table) < 8 or pairs[:, 0].min(initial=0) < 0 or pairs[:, 0].sum() > MAX_FRAMES:
        return np.zeros(0, np.int64)
    return np.repeat(pairs[:, 1], pairs[:, 0])


def _time_scale(box: bytes, *path: bytes) -> int:
    """Units a second of a mdhd or a mvhd."""
    header = next(_find(box, *path), b"")
    return int.from_bytes(header[20:24] if header[:1] == b"\1" else header[12:16], "big")


def _find(box: bytes, kind: bytes, *path: bytes) -> Iterator[bytes]:
    """The contents of the boxes of this kind, of those within them that `path` names."""
    at = 0
    while at + 8 <= len(box):
        length, name, head = int.from_bytes(box[at : at + 4], "big"), box[at + 4 : at + 8], 8
        if length == 1:
            length, head = int.from_bytes(box[at + 8 : at + 16], "big"), 16
        length = length or len(box) - at
        if length < head:
            return
        if name == kind:
            content = box[at + head : at + length]
            yield from _find(content, *path) if path else (content,)
        at += length

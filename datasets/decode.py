"""Decode one video to uint8 frames.

Recordings come from anywhere: what a file asks for is bounded before it is given, in bytes, pixels, frames and seconds.
"""

import itertools
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.reformatter import Interpolation, VideoReformatter

# Of the crop to where something moves: the short side it is looked for at, grey levels of noise, and the margin.
CROP_SIDE = 360
MOTION_GREY = 4.0
MOTION_MARGIN = 1.15

# A recording of the corpora here is at most 1920x1080, some minutes long. A decoder holds some 20 frames at once, so
# these keep it below 1 GB.
MAX_PIXELS = 4096 * 2304
MAX_SIDE = 8192
MAX_FRAMES = 200_000
MAX_SECONDS = 300.0  # of one file, all of it decoded
# As what a file may be opened: not as a playlist, which would open other files and addresses.
FORMATS = "avi,mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpeg,mpegts,asf,flv"
# How files of these are named.
VIDEOS = frozenset(".avi .flv .m4v .mkv .mov .mp4 .mpeg .mpg .ts .webm .wmv".split())


@contextmanager
def opened(file: Path, seconds: float = MAX_SECONDS) -> Iterator[Iterator[av.VideoFrame]]:
    """The frames of a video, one after the other. Raises ValueError where it can't be decoded, or is beyond a bound."""
    with _container(file, seconds) as (_, frames):
        yield frames


@contextmanager
def _container(file: Path, seconds: float) -> Iterator[tuple[InputContainer, Iterator[av.VideoFrame]]]:
    check_regular(file)
    options = {"max_pixels": str(MAX_PIXELS), "format_whitelist": FORMATS, "protocol_whitelist": "file"}
    try:
        with av.open(str(file), options=options, timeout=seconds) as container:
            if not container.streams.video:
                raise ValueError("has no video stream")
            if container.streams.video[0].codec_context is None:
                raise ValueError("names no codec of its video")
            yield container, _frames(container, seconds)
    except (FFmpegError, IndexError, MemoryError, OverflowError) as error:
        raise ValueError(f"is no video that can be decoded ({getattr(error, 'strerror', None) or error})") from None


def _frames(container: InputContainer, seconds: float) -> Iterator[av.VideoFrame]:
    stream, began = container.streams.video[0], time.monotonic()
    stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
    width = height = count = 0
    # By packet: one that gives no frame is looked at too, and there may be millions of them.
    for packet in container.demux(stream):
        if time.monotonic() - began > seconds:
            raise ValueError(f"takes more than {seconds:g} s to decode")
        for frame in packet.decode():
            count += 1
            if frame.width != width or frame.height != height:
                found = frame.width, frame.height
                if width:
                    raise ValueError(f"changes the size of its frames, from {(width, height)} to {found}")
                if max(found) > MAX_SIDE:
                    raise ValueError(f"has frames of {found[0]}x{found[1]}, more than {MAX_SIDE} on a side")
                width, height = found
            if count > MAX_FRAMES:
                raise ValueError(f"has more than {MAX_FRAMES} frames")
            yield frame


def check_regular(file: Path) -> None:
    """A pipe would be waited for, for ever. Raises ValueError."""
    if file.exists() and not file.is_file():
        raise ValueError("is no regular file")


def count_frames(file: Path, seconds: float = MAX_SECONDS) -> int:
    """Decode every frame, convert none. Raises ValueError when the file is no video or is cut off."""
    with _container(file, seconds) as (container, frames):
        decoded = sum(1 for _ in frames)
        promised = container.streams.video[0].frames
    if decoded == 0:
        raise ValueError("has no frame that can be decoded")
    # A cut-off AVI decodes without an error; only its header still knows how long it was.
    if promised and decoded < promised:
        raise ValueError(f"is cut off: its header says {promised} frames, {decoded} can be decoded")
    return decoded


def sample_times(frames: int, wanted: int) -> np.ndarray:
    """Which of `frames` frames are kept: all, or `wanted` of them at the middle of equal parts."""
    if frames <= wanted:
        return np.arange(frames)
    return ((np.arange(wanted) + 0.5) * frames / wanted).astype(int)


def _kept(file: Path, keep: set[int], total: int) -> Iterator[av.VideoFrame]:
    """One pass, no seeking: an MMAct clip of 268 frames has two keyframes. ValueError unless it holds `total`."""
    decoded = found = 0
    with opened(file) as frames:
        for frame in frames:
            if decoded in keep:
                found += 1
                yield frame
            decoded += 1
    if decoded != total:
        raise ValueError(
            f"{found} of {len(keep)} sampled frames decoded, {decoded} of {total} in all; it is damaged, or"
            " changed while in use."
        )


def decode_video(file: Path, frames: int, total: int, size: int, crop: str = "frame") -> tuple[np.ndarray, int]:
    """The whole frame, or where something moves in it (`crop="motion"`), scaled to `size` x `size`.

    Returns (frames, size, size, 3) uint8 RGB, zero where the clip is shorter, and the number of true frames.
    """
    try:
        return _decoded(file, frames, total, size, crop)
    except (FFmpegError, ValueError, MemoryError) as error:
        raise ValueError(f"{file}: {error}") from None


def _decoded(file: Path, frames: int, total: int, size: int, crop: str) -> tuple[np.ndarray, int]:
    out = np.zeros((frames, size, 3 * size), np.uint8)
    kept = _kept(file, set(sample_times(total, frames).tolist()), total)
    if crop == "motion":
        kept = _moving(kept)
    n = 0
    for frame in itertools.islice(kept, frames):
        out[n] = _scaled(frame, size, size)
        n += 1
    return out.reshape(frames, size, size, 3), n


class _Scalers(threading.local):
    """By format of their input. One's set-up takes as long as scaling a dozen frames: a thread keeps them."""

    def __init__(self) -> None:
        self.of: defaultdict[str, VideoReformatter] = defaultdict(VideoReformatter)


_scalers = _Scalers()


def _scaled(frame: av.VideoFrame, width: int, height: int) -> np.ndarray:
    """(H, 3 W) uint8, RGB by pixel. A view of FFmpeg's own rows, which are padded: whoever takes it copies it once."""
    scale = _scalers.of[frame.format.name]
    # Threads of its own would take longer to meet than to scale a small frame.
    small = scale.reformat(frame, width, height, "rgb24", interpolation=Interpolation.AREA, threads=1)
    plane = small.planes[0]
    return np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[:height, : 3 * width]  # pyright: ignore


def _moving(frames: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    """The same frames, cropped to the square of `motion_box`; large ones are made smaller first."""
    images = []
    for frame in frames:
        by = min(1.0, CROP_SIDE / min(frame.width, frame.height))
        images.append(_scaled(frame, round(frame.width * by), round(frame.height * by)))
    if not images:
        return
    video = np.stack(images)
    video = video.reshape(*video.shape[:2], -1, 3)
    # Every other pixel is enough to find it by.
    top, left, side = (2 * pixels for pixels in motion_box(video[:, ::2, ::2].mean(axis=3, dtype=np.float32)))
    side = min(side, *video.shape[1:3])
    for image in video[:, top : top + side, left : left + side]:
        yield av.VideoFrame.from_ndarray(np.ascontiguousarray(image), "rgb24")


def motion_box(grey_THW: np.ndarray) -> tuple[int, int, int]:
    """Top, left and side of the square that holds what moves, with a margin; all of the middle where nothing does.

    What moves is what differs from its pixel's median over the clip, by more than a codec's noise.
    """
    _, height, width = grey_THW.shape
    energy = np.abs(grey_THW - np.median(grey_THW, axis=0)).mean(axis=0)
    energy[energy < MOTION_GREY] = 0
    longest = min(height, width)
    if not energy.any():
        return (height - longest) // 2, (width - longest) // 2, longest

    def extent(along: np.ndarray) -> np.ndarray:
        share = np.cumsum(along) / along.sum()
        return np.searchsorted(share, (0.01, 0.99))

    (top, bottom), (left, right) = extent(energy.sum(axis=1)), extent(energy.sum(axis=0))
    side = MOTION_MARGIN * (max(bottom - top, right - left) + 1)
    side = round(float(np.clip(side, longest / 3, longest)))

    def corner(low: int, high: int, room: int) -> int:
        return int(np.clip(round((low + high - side) / 2), 0, room - side))

    return corner(top, bottom, height), corner(left, right, width), side

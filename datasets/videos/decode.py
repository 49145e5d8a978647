"""Decode one video to uint8 frames of one size."""

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError
from av.video.reformatter import Interpolation, VideoReformatter

from datasets.videos import video_file
from datasets.videos.timing import sample_times
from datasets.videos.video_file import DEPTH_FORMATS, DEPTH_MM

Note = Callable[[Mapping[str, str]], object]

# Of the crop to where something moves: the short side it is looked for at, grey levels of noise, and the margin.
CROP_SIDE = 360
MOTION_GREY = 4.0
MOTION_MARGIN = 1.15


def decode_video(
    file: Path, frames: int, total: int, size: int, crop: str = "frame", note: Note = lambda notes: None
) -> tuple[np.ndarray, int]:
    """The whole frame, or where something moves in it (`crop="motion"`), scaled to `size` x `size`.

    `total` is how many frames a scan found. Returns (frames, size, size, 3) uint8 RGB, zero where the clip is shorter,
    and the number of true frames. `note` is told `video.Film.notes`. Raises ValueError naming the file where it is
    damaged, or has changed since.
    """
    try:
        images = _sampled(file, frames, total, size, crop, note)
    except (FFmpegError, ValueError, MemoryError) as error:
        raise ValueError(f"{file}: {error}") from None
    out = np.zeros((frames, size, size, 3), np.uint8)
    for i, image in enumerate(images):
        out[i] = image
    return out, len(images)


def _sampled(file: Path, frames: int, total: int, size: int, crop: str, note: Note) -> list[np.ndarray]:
    """One pass, no seeking: an MMAct clip of 268 frames has two keyframes.

    The frames that a constant rate would keep are taken; where time stamps then show another rate, in a second pass
    those that it keeps.
    """
    keep, shape = sample_times(total, frames), None
    for _ in range(2):
        wanted, images = set(keep.tolist()), {}
        with video_file.opened(file) as film:
            for number, frame in enumerate(film):
                if number in wanted:
                    shape = shape or _smaller_size(frame, film.aspect)
                    images[number] = _scaled(frame, *(shape if crop == "motion" else (size, size)))
        _check_total(film, total, len(images), len(wanted))
        if np.array_equal(found := film.sampled(frames), keep):
            break
        keep = found
    else:
        raise ValueError("it changed while in use.")
    note(film.notes)
    kept = [images[number] for number in keep.tolist()]
    return _moving(kept, size) if crop == "motion" else kept


def _check_total(film: video_file.Film, total: int, found: int, wanted: int) -> None:
    """Raises ValueError unless the film holds as many frames as a scan decoded, or as many as its header counts or
    fewer, where a scan believed that."""
    decoded = len(film.stamps)
    if decoded != total and not decoded < total == film.promised:
        raise ValueError(
            f"{found} of {wanted} sampled frames decoded, {decoded} of {total} in all; it is damaged, or changed while"
            " in use."
        )


class _Scalers(threading.local):
    """By format of their input. One's set-up takes as long as scaling a dozen frames: a thread keeps them."""

    def __init__(self) -> None:
        self.of: defaultdict[str, VideoReformatter] = defaultdict(VideoReformatter)


_scalers = _Scalers()


def _scaled(frame: av.VideoFrame, width: int, height: int) -> np.ndarray:
    """(height, width, 3) uint8 RGB of a frame as it is stored, turned as it is shown."""
    shown = _depth_grey(frame) if frame.format.name in DEPTH_FORMATS else frame
    scale = _scalers.of[shown.format.name]
    # Threads of its own would take longer to meet than to scale a small frame.
    small = scale.reformat(shown, width, height, "rgb24", interpolation=Interpolation.AREA, threads=1)
    plane = small.planes[0]  # FFmpeg pads its rows
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[:height, : 3 * width]  # pyright: ignore
    # FFmpeg uses its own rows again for the next frame, unless somebody holds them.
    return video_file.turned(rows.reshape(height, width, 3), frame).copy()


def _depth_grey(frame: av.VideoFrame) -> av.VideoFrame:
    """Millimetres to grey as in NOTES["depth"]."""
    depth = frame.to_ndarray().astype(np.int32)
    grey = np.where(depth > 0, 255 - depth * 255 // DEPTH_MM, 0).clip(0, 255)
    return av.VideoFrame.from_ndarray(grey.astype(np.uint8), "gray")


def _smaller_size(frame: av.VideoFrame, aspect: float) -> tuple[int, int]:
    """Width and height at which it is looked for where something moves, with square pixels."""
    width = frame.width * aspect
    by = min(1.0, CROP_SIDE / min(width, frame.height))
    return round(width * by), round(frame.height * by)


def _moving(images: list[np.ndarray], size: int) -> list[np.ndarray]:
    """Cropped to the square of `motion_box` and scaled."""
    film = np.stack(images)
    # Every other pixel is enough to find it by.
    top, left, side = (2 * pixels for pixels in motion_box(film[:, ::2, ::2].mean(axis=3, dtype=np.float32)))
    side = min(side, *film.shape[1:3])
    return [
        _scaled(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), "rgb24"), size, size)
        for image in film[:, top : top + side, left : left + side]
    ]


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

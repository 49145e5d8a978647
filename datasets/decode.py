"""Decode one recording: a video to uint8 frames, an inertial .mat to float32 samples."""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import scipy.io
from av.error import FFmpegError
from av.video.reformatter import Interpolation, VideoReformatter

# Of the crop to where something moves: the short side it is looked for at, grey levels of noise, and the margin.
CROP_SIDE = 360
MOTION_GREY = 4.0
MOTION_MARGIN = 1.15


def count_frames(file: Path) -> int:
    """Decode every frame, convert none. Raises ValueError when the file is no video or is cut off."""
    try:
        with av.open(str(file)) as container:
            if not container.streams.video:
                raise ValueError("has no video stream")
            stream = container.streams.video[0]
            decoded = sum(1 for _ in container.decode(stream))
            promised = stream.frames
    except (FFmpegError, IndexError) as error:
        raise ValueError(f"is no video that can be decoded ({getattr(error, 'strerror', None) or error})") from None
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
    with av.open(str(file)) as container:
        for frame in container.decode(container.streams.video[0]):
            if decoded in keep:
                found += 1
                yield frame
            decoded += 1
    if decoded != total:
        raise ValueError(
            f"{file}: {found} of {len(keep)} sampled frames decoded, {decoded} of {total} in all; it is damaged, or"
            " changed while in use."
        )


def decode_video(file: Path, frames: int, total: int, size: int, crop: str = "frame") -> tuple[np.ndarray, int]:
    """The whole frame, or where something moves in it (`crop="motion"`), scaled to `size` x `size`.

    Returns (frames, size, size, 3) uint8 RGB, zero where the clip is shorter, and the number of true frames.
    """
    out = np.zeros((frames, size, size, 3), np.uint8)
    kept = _kept(file, set(sample_times(total, frames).tolist()), total)
    if crop == "motion":
        kept = _moving(kept)
    # One reformatter a stream: a new scaler context per frame is three times as slow.
    scale = VideoReformatter()
    n = 0
    for frame in kept:
        out[n] = scale.reformat(frame, size, size, "rgb24", interpolation=Interpolation.AREA).to_ndarray()
        n += 1
    return out, n


def _moving(frames: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    """The same frames, cropped to the square of `motion_box`; large ones are made smaller first."""
    scale, images = VideoReformatter(), []
    for frame in frames:
        by = min(1.0, CROP_SIDE / min(frame.width, frame.height))
        width, height = round(frame.width * by), round(frame.height * by)
        images.append(scale.reformat(frame, width, height, "rgb24", interpolation=Interpolation.AREA).to_ndarray())
    if not images:
        return
    video = np.stack(images)
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


def read_mat(file: Path, channels: int = 6) -> np.ndarray:
    """`d_iner` of a UTD-MHAD inertial file: (S, 6), acceleration in g, angular rate in deg/s, 50 Hz."""
    try:
        content = scipy.io.loadmat(str(file), variable_names=["d_iner"])
    except Exception as error:  # scipy raises a dozen kinds on a broken file
        raise ValueError(f"is no MATLAB file that can be read ({type(error).__name__}: {error})") from None
    if "d_iner" not in content:
        raise ValueError("has no variable d_iner")
    signal = content["d_iner"]
    if not isinstance(signal, np.ndarray):
        raise ValueError(f"d_iner is a {type(signal).__name__}, not a full matrix (a sparse one?)")
    if signal.ndim != 2 or signal.shape[1] != channels:
        raise ValueError(f"d_iner is {'x'.join(map(str, signal.shape))}, not samples x {channels}")
    if signal.dtype.kind not in "fiu":
        raise ValueError(f"d_iner holds {signal.dtype}, not numbers")
    if len(signal) == 0:
        raise ValueError("d_iner is empty")
    with np.errstate(over="ignore"):
        signal = signal.astype(np.float32)
    if not np.isfinite(signal).all():
        raise ValueError(f"d_iner has {int((~np.isfinite(signal)).sum())} values that are NaN or infinite")
    return signal


def pad_signal(signal: np.ndarray, samples: int) -> tuple[np.ndarray, int]:
    """(samples, C) float32, zero after the end, and the true length."""
    if len(signal) > samples:
        raise ValueError(f"a signal of {len(signal)} samples doesn't fit into {samples}")
    out = np.zeros((samples, signal.shape[1]), np.float32)
    out[: len(signal)] = signal
    return out, len(signal)

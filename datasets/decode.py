"""Decode one recording: a video to uint8 frames, an inertial .mat to float32 samples."""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import scipy.io
from av.error import FFmpegError
from av.video.reformatter import Interpolation, VideoReformatter


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


def _kept(file: Path, keep: set[int]) -> Iterator[av.VideoFrame]:
    with av.open(str(file)) as container:
        for i, frame in enumerate(container.decode(container.streams.video[0])):
            if i in keep:
                yield frame


def decode_video(file: Path, frames: int, total: int, size: int) -> tuple[np.ndarray, int]:
    """The whole frame scaled to `size` x `size`.

    Returns (frames, size, size, 3) uint8 RGB, zero where the clip is shorter, and the number of true frames.
    """
    out = np.zeros((frames, size, size, 3), np.uint8)
    # One reformatter a stream: a new scaler context per frame is three times as slow.
    scale = VideoReformatter()
    n = 0
    for frame in _kept(file, set(sample_times(total, frames).tolist())):
        out[n] = scale.reformat(frame, size, size, "rgb24", interpolation=Interpolation.AREA).to_ndarray()
        n += 1
    if n != min(frames, total):
        raise ValueError(f"{file}: {n} of {min(frames, total)} sampled frames decoded; the file changed while in use.")
    return out, n


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

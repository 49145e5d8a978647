"""When the frames of a film are shown, by their time stamps, and which of them are kept."""

from collections.abc import Sequence

import numpy as np

# A gap between two frames that no camera or screen recorder leaves: a clock was set, or a stamp is wrong.
JUMP_SECONDS = 10.0
# The largest share of frames that may have the time stamp of another one and still be sampled by time.
MAX_SAME = 0.1
# Frames that lie on an even grid but for so much of a gap are of a constant rate: containers round time stamps.
EVEN = 0.25

MAX_SPAN = 1 << 53  # in units of a time base: beyond it a double counts no more, and no film lasts as long

Stamps = Sequence[int | None]  # of each frame in the order in which they are shown, in units of a time base


def sample_times(frames: int, wanted: int) -> np.ndarray:
    """Which of `frames` frames of a constant rate are kept: all, or `wanted` of them at the middle of equal parts."""
    if frames <= wanted:
        return np.arange(frames)
    return ((np.arange(wanted) + 0.5) * frames / wanted).astype(int)


def sampled(stamps: Stamps, wanted: int, time_base: float, last: int) -> np.ndarray:
    """Which frames are kept, by number: all where they are few, else those shown at the middle of equal parts of time.

    `last` is how long the last one is shown, 0 where the container doesn't say it; `time_base` is in seconds.
    """
    count = len(stamps)
    between = gaps(stamps, time_base)[0] if count > wanted else np.zeros(0)
    if not len(between) or _even(between):
        return sample_times(count, wanted)
    ticks = np.concatenate([[0], np.cumsum(between)])
    end = ticks[-1] + min(last or between.mean(), between.max())
    return np.searchsorted(ticks, (np.arange(wanted) + 0.5) * end / wanted, side="right") - 1


def seconds_shown(stamps: Stamps, time_base: float) -> float:
    """From the first frame to the end of the last; 0 where the stamps are no times."""
    between, _ = gaps(stamps, time_base)
    return float(between.sum() + between.mean()) * time_base if len(between) else 0.0


def gaps(stamps: Stamps, time_base: float) -> tuple[np.ndarray, bool]:
    """Between each frame and the next, none where the stamps are no times; and whether some were jumps of the clock.

    Stamps are sorted, for an AVI has none of its own and those that FFmpeg makes up for its B-frames are mixed up; that
    the frames come in the order in which they are shown is sure. A jump becomes an ordinary gap.
    """
    known = [stamp for stamp in stamps if stamp is not None]
    if len(known) < len(stamps) or len(known) < 2:
        return np.zeros(0), False
    if max(known) - min(known) >= MAX_SPAN:
        return np.zeros(0), False
    between = np.diff(np.sort(np.array(known, np.int64)))
    if (between == 0).sum() > MAX_SAME * len(between):
        return np.zeros(0), False
    jumps = between > JUMP_SECONDS / time_base
    if not jumps.any() or jumps.all():  # where all are, the film is one of time lapse
        return between, False
    return np.where(jumps, np.median(between[~jumps]), between), True


def _even(between: np.ndarray) -> bool:
    """Whether the rate is constant."""
    ticks = np.concatenate([[0], np.cumsum(between)])
    return bool(np.abs(ticks - between.mean() * np.arange(len(ticks))).max() <= EVEN * between.mean())

"""Whether a signal can be in the units that its corpus states, by how strong it is.

The thresholds lie outside of what UTD-MHAD's 861 recordings have (g with gravity, deg/s), each by itself: of the
acceleration a median norm of 0.95 to 1.44, a norm of the mean of 0.14 to 1.52, a spread of 0.1 to 5.6; of the angular
rate a 95th percentile of 37 to 936, at least 73 for each g of spread.
"""

from collections.abc import Sequence

import numpy as np

# What 1 g is in units that accelerations are recorded in.
GRAVITY = {"g": 1.0, "m/s^2": 9.80665, "milli-g": 1000.0}
LEAST_G, MOST_G = 0.8, 2.0  # the median norm of an acceleration with gravity, of a clip or over a corpus's clips
LEAST_MEAN_G = 0.1  # the norm of its mean: only without gravity is it as little
# Of a sensor whose acceleration spreads by at least so many g the angular rate is at least so many deg/s, or so many
# for each g where that is less. In rad/s it would be at most 16, and 20 for each g.
MOVING_G, LEAST_RATE, LEAST_RATE_A_G = 0.1, 20.0, 40.0

# By how much a signal may last longer or shorter than the video beside it, in the median over a corpus. UTD-MHAD's
# depth videos say 15 fps and hold fewer, so that its signals would last 1.41 to 2.65 times as long: it is not asked.
MOST_LONGER = 1.6
# A sensor that keeps one value for more than this share of a clip was stuck, or isn't there.
MOST_STUCK = 0.5

Levels = Sequence[Sequence[float]]  # of each triplet of axes: the five numbers of `levels`


def levels(signal: np.ndarray) -> list[list[float]]:
    """Of each triplet of axes of a signal (S, C): median of its norm, norm of its mean, the norm's 95th percentile,
    that less its 5th, and the longest share of samples in a row that are the same. NaN where a sensor has no sample."""
    found = []
    for axes in np.split(signal.astype(np.float64), signal.shape[1] // 3, axis=1):
        axes = axes[np.isfinite(axes).all(axis=1)]
        if not len(axes):
            found.append([np.nan] * 5)
            continue
        low, median, high = np.percentile(np.linalg.norm(axes, axis=1), [5, 50, 95]).tolist()
        changes = np.flatnonzero(np.r_[True, (np.diff(axes, axis=0) != 0).any(axis=1), True])
        stuck = float(np.diff(changes).max()) / len(axes) if len(axes) > 1 else 0.0
        found.append([median, float(np.linalg.norm(axes.mean(axis=0))), high, high - low, stuck])
    return found


def warning(clips: Sequence[Levels], stated: Sequence[str | None]) -> str | None:
    """What is implausible of one clip, or of a corpus by the median over its clips; None where nothing is.

    `stated` is the unit of each triplet of axes, None where nobody knows it.
    """
    words, spread_g = [], 0.0
    for i, unit in enumerate(stated):
        there = [clip[i] for clip in clips if len(clip) == len(stated) and np.isfinite(clip[i][0])]
        known = [level for level in there if level[4] <= MOST_STUCK]
        name = "acceleration" if unit in GRAVITY else "angular rate"
        if stated.count(unit) > 1:
            name += f" (channels {3 * i + 1} to {3 * i + 3})"
        if unit and len(known) < len(there):
            of = f"of {len(there) - len(known)} of {len(there)} clips " if len(clips) > 1 else ""
            words.append(f"the {name} {of}keeps one value most of the time: its sensor was stuck, or isn't there")
        if not known:
            continue
        median, mean, high, spread, _ = np.median(known, axis=0).tolist()
        if unit in GRAVITY:
            words.append(_of_acceleration(name, unit, median, mean))
            spread_g = spread_g or spread / GRAVITY[unit]
        elif unit == "deg/s" and spread_g >= MOVING_G and high < min(LEAST_RATE, LEAST_RATE_A_G * spread_g):
            words.append(
                f"the {name} stays below {high:.3g} while the sensor moves, where deg/s is meant: it is likely in"
                " rad/s; multiply it by 57.2958"
            )
    return "; ".join(dict.fromkeys(word for word in words if word)) or None


def rate_warning(samples: Sequence[int], seconds: Sequence[float], hz: float | None) -> str | None:
    """What tells that signals are of another rate than `hz`: how long the videos beside them are shown."""
    ratios = [count / hz / long for count, long in zip(samples, seconds, strict=True) if hz and long]
    if not ratios or 1 / MOST_LONGER <= (ratio := float(np.median(ratios))) <= MOST_LONGER:
        return None
    return (
        f"at {hz:g} Hz the signal lasts {ratio:.2g} times as long as the video: it is likely of"
        f" {ratio * (hz or 0):.3g} Hz, or the video is shown at another speed than it was recorded at"
    )


def _of_acceleration(name: str, stated: str, median: float, mean: float) -> str | None:
    one = GRAVITY[stated]
    where = f"where {stated} with gravity is meant ({LEAST_G * one:.3g} to {MOST_G * one:.3g})"
    if LEAST_G <= median / one <= MOST_G and mean / one >= LEAST_MEAN_G:
        return None
    said = f"the median norm of the {name} is {median:.3g} {where}"
    if LEAST_G <= median / one <= MOST_G:
        return f"{said}, but its mean is {mean:.2g}: gravity is likely left out"
    for unit, other in GRAVITY.items():
        if unit != stated and LEAST_G <= median / other <= MOST_G and mean / other >= LEAST_MEAN_G:
            return f"{said}: it is likely in {unit}; multiply it by {one / other:.6g}"
    # Without gravity there is no telling g from m/s^2 for sure.
    if median / one < LEAST_G or mean < LEAST_MEAN_G * median:
        return f"{said}: gravity is likely left out, or the unit is another"
    return f"{said}: it is likely the sensor's raw counts, or in another unit"

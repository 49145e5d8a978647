"""95 % intervals of a score, per cent: over the clips of one seed, or over seeds."""

from statistics import fmean, stdev

from scipy.stats import binomtest, t


def wilson(k: float, n: int, views: float | None = None) -> tuple[float, float]:
    """95 %, of k right of n clips, per cent: Wilson's score interval.

    Where a performance has several `views` on average they count as one: they may all be right or wrong together.
    """
    shown = round(n / (views or 1))
    found = binomtest(round(k * shown / n), shown).proportion_ci(method="wilson")
    return 100 * found.low, 100 * found.high


def interval_of(values: list[float]) -> tuple[float, float]:
    """95 %, of the mean of two or more seeds' values, within 0 and 100."""
    half = float(t.ppf(0.975, len(values) - 1)) * stdev(values) / len(values) ** 0.5
    return max(0.0, fmean(values) - half), min(100.0, fmean(values) + half)

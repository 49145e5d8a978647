"""Is A better than B? 95 % intervals of scores, and differences of top-1 clip by clip with a test. Nothing is chosen by
them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev
from typing import Any

import numpy as np
import scipy  # its parts are loaded where they are used

# Of a run's key: whether each test clip was named right. A clip is the performance it shows and its own name; views of
# one performance share the first, and where it isn't known the name stands for it.
Clip = tuple[int | str, str]
Right = Callable[[str], dict[Clip, bool] | None]

NOTE = (
    "A difference is over the same test clips, in points, with its 95 % interval and p-value. With one seed these are"
    " Bonett and Price's interval and McNemar's exact test, and speak of these networks alone; with several seeds, or"
    " views of a performance, both are Student's, over performances and seeds. Clips of one person are alike: with"
    " other people the intervals would be wider."
)


@dataclass(frozen=True)
class Difference:
    """Points of top-1 by which A is above B, over the same clips and seeds."""

    points: float
    low: float
    high: float
    p: float
    seeds: int
    keys: tuple[str, ...] = ()  # of the runs compared
    holm: float | None = None  # p-value corrected for the other comparisons of a table

    @property
    def text(self) -> str:
        ends = f"{self.low:+.2f} to {self.high:+.2f}"
        chance = _chance("p", self.p) + ("" if self.holm is None else f", {_chance('Holm', self.holm)}")
        return f"{self.points:+.2f} [{ends}; {chance}]".replace("-", "−")


def _chance(name: str, p: float) -> str:
    return f"{name} < 0.001" if p < 0.001 else f"{name} = {p:.3f}"


def corrected(found: Sequence[Difference | None]) -> list[Difference | None]:
    """The comparisons of one table with their p-values corrected by Holm's step-down method; gaps stay gaps."""
    adjusted = iter(holm([d.p for d in found if d]))
    return [replace(d, holm=next(adjusted)) if d else None for d in found]


def holm(p: Sequence[float]) -> list[float]:
    """p-values corrected so that the chance of any false positive among them stays at the level tested.

    S. Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6 (1979).
    """
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(np.asarray(p)[order] * np.arange(len(p), 0, -1)).clip(max=1)
    return stepped[np.argsort(order, kind="stable")].tolist()


def difference(these: list[dict[str, Any]], those: list[dict[str, Any]], right: Right) -> Difference | None:
    """A's cells and B's, paired by seed and clip; None where no seed has both.

    Of one seed: McNemar's exact test, and the interval of Bonett and Price (2012); they say nothing of other seeds.
    Of several seeds, and where clips are views of one performance, both are Student's: the variance of the mean over
    performances and that over seeds are added. Clips of one person are alike, so all of it is too narrow for a claim
    about other people.
    """
    by_seed = {cell["seed"]: cell for cell in those}
    pairs = [(a, by_seed[a["seed"]]) for a in these if a["seed"] in by_seed]
    found = [(_clips(a, right), _clips(b, right), (*a["keys"], *b["keys"])) for a, b in pairs]
    shows = {name: shown for sides in found for side in sides[:2] for shown, name in side or () if shown != name}
    named = [({n: y for (_, n), y in a.items()}, {n: y for (_, n), y in b.items()}, k) for a, b, k in found if a and b]
    whole = [(a, b, keys) for a, b, keys in named if a.keys() == b.keys() == named[0][0].keys()]
    if not whole:
        return None
    clips = sorted(whole[0][0])
    shown = np.unique([str(shows.get(clip, clip)) for clip in clips], return_inverse=True)[1]
    values = np.array([[float(a[clip]) - float(b[clip]) for clip in clips] for a, b, _ in whole])  # seeds, clips
    alone = len(values) == 1 and shown.max() + 1 == len(clips)
    points, (low, high, p) = values.mean(), _of_networks(values[0]) if alone else _student(values, shown)
    compared = tuple(dict.fromkeys(key for *_, keys in whole for key in keys))
    return Difference(100 * float(points), 100 * low, 100 * high, p, len(values), compared)


def _of_networks(value: np.ndarray) -> tuple[float, float, float]:
    """`value` (clips,) is 1 where A alone is right and -1 where B alone is."""
    won, lost, count = int((value > 0).sum()), int((value < 0).sum()), len(value) + 2
    a, b = (won + 1) / count, (lost + 1) / count
    half = float(scipy.stats.norm.ppf(0.975)) * ((a + b - (a - b) ** 2) / count) ** 0.5
    return a - b - half, a - b + half, float(scipy.stats.binomtest(won, won + lost).pvalue) if won + lost else 1.0


def _student(values: np.ndarray, shown: np.ndarray) -> tuple[float, float, float]:
    """`values` (seeds, clips), `shown` the performance of each clip, by number. Degrees of freedom: Satterthwaite."""
    seeds, mean, count = len(values), float(values.mean()), int(shown.max()) + 1
    apart = np.bincount(shown, values.mean(axis=0) - mean)
    over = [(np.square(apart).sum() / values.shape[1] ** 2 * count / max(1, count - 1), count - 1)]
    if seeds > 1:
        over.append((values.mean(axis=1).var(ddof=1) / seeds, seeds - 1))
    variance = sum(part for part, _ in over)
    if variance <= 0:
        edge = _least(count)
        return max(-1.0, mean - edge), min(1.0, mean + edge), float(mean == 0)
    freedom = variance**2 / sum(part**2 / max(1, of) for part, of in over)
    half = float(scipy.stats.t.ppf(0.975, freedom)) * variance**0.5
    return (
        max(-1.0, mean - half),
        min(1.0, mean + half),
        float(2 * scipy.stats.t.sf(abs(mean) / variance**0.5, freedom)),
    )


def _least(count: int) -> float:
    """The share of all clips that may well differ where none of so many does: 97.5 % would have shown one."""
    return 1 - 0.025 ** (1 / count)


def _clips(cell: dict[str, Any], right: Right) -> dict[Clip, bool] | None:
    """Of all folds of a cell; None where a run hasn't ended well."""
    if cell["status"] != "done":
        return None
    found: dict[Clip, bool] = {}
    for key in cell["keys"]:
        part = right(key)
        if part is None:
            return None
        found |= part
    return found


def wilson(k: float, n: int, views: float | None = None) -> tuple[float, float]:
    """95 %, of k right of n clips, per cent: Wilson's score interval.

    Where a performance has several `views` on average they count as one: they may all be right or wrong together.
    """
    shown = round(n / (views or 1))
    found = scipy.stats.binomtest(round(k * shown / n), shown).proportion_ci(method="wilson")
    return 100 * found.low, 100 * found.high


def interval_of(values: list[float]) -> tuple[float, float]:
    """95 %, of the mean of two or more seeds' values, within 0 and 100."""
    half = float(scipy.stats.t.ppf(0.975, len(values) - 1)) * stdev(values) / len(values) ** 0.5
    return max(0.0, fmean(values) - half), min(100.0, fmean(values) + half)

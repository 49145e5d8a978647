"""Is A better than B? Differences of top-1 clip by clip, with a 95 % interval and a test. Nothing is chosen by it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import binomtest

DRAWS = 4000

Right = Callable[[str], dict[str, bool] | None]  # of a run's key: whether each test clip was named right


@dataclass(frozen=True)
class Difference:
    """Points of top-1 by which A is above B, over the same clips and seeds."""

    points: float
    low: float
    high: float
    p: float
    seeds: int
    keys: tuple[str, ...] = ()  # of the runs compared

    @property
    def text(self) -> str:
        ends = f"{self.low:+.2f} to {self.high:+.2f}"
        chance = "p < 0.001" if self.p < 0.001 else f"p = {self.p:.3f}"
        return f"{self.points:+.2f} [{ends}; {chance}]".replace("-", "−")


def difference(these: list[dict[str, Any]], those: list[dict[str, Any]], right: Right) -> Difference | None:
    """A's cells and B's, paired by seed and clip; None where no seed has both.

    The interval is a bootstrap over test clips (a clip's value is its mean over seeds). The test is McNemar's exact
    one with one seed, the bootstrap's with several. Clips of one person are alike, so both are too narrow for a claim
    about other people.
    """
    by_seed = {cell["seed"]: cell for cell in those}
    pairs = [(a, by_seed[a["seed"]]) for a in these if a["seed"] in by_seed]
    found = [(_clips(a, right), _clips(b, right), (*a["keys"], *b["keys"])) for a, b in pairs]
    whole = [(a, b, keys) for a, b, keys in found if a and b and a.keys() == b.keys()]
    if not whole:
        return None
    names = sorted(whole[0][0])
    values = np.array([[float(a[name]) - float(b[name]) for name in names] for a, b, _ in whole])  # seeds, clips
    per_clip = values.mean(axis=0)
    drawn = np.random.default_rng(0).integers(len(per_clip), size=(DRAWS, len(per_clip)))
    means = 100 * per_clip[drawn].mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    if len(values) == 1:
        won, lost = int((per_clip > 0).sum()), int((per_clip < 0).sum())
        p = binomtest(won, won + lost).pvalue if won + lost else 1.0
    else:
        p = min(1.0, 2 * min((means <= 0).mean(), (means >= 0).mean()))
    compared = tuple(dict.fromkeys(key for *_, keys in whole for key in keys))
    return Difference(100 * float(per_clip.mean()), float(low), float(high), float(p), len(values), compared)


def _clips(cell: dict[str, Any], right: Right) -> dict[str, bool] | None:
    """Of all folds of a cell; None where a run hasn't ended well."""
    if cell["status"] != "done":
        return None
    found: dict[str, bool] = {}
    for key in cell["keys"]:
        part = right(key)
        if part is None:
            return None
        found |= part
    return found

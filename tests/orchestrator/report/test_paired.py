"""Differences clip by clip, their intervals and their tests, on made-up runs."""

import numpy as np
import pytest
from scipy import stats

from orchestrator.report.paired import Difference, corrected, difference, holm


def cells(*seeds: int, model: str = "a", status: str = "done") -> list[dict]:
    return [{"seed": s, "status": status, "keys": [f"{model}{s}"]} for s in seeds]


def runs(**right: list[int]):
    """By key: which of 100 clips are right."""
    found = {key: {(f"clip{i}", f"clip{i}"): i in set(clips) for i in range(100)} for key, clips in right.items()}
    return found.get


def test_one_seed_is_mcnemars_exact_test() -> None:
    right = runs(a0=list(range(20, 80)), b0=list(range(35, 85)))  # 15 won, 5 lost
    found = difference(cells(0), cells(0, model="b"), right)
    assert found and found.points == pytest.approx(10) and found.seeds == 1
    assert found.p == pytest.approx(0.04138947)  # binomial, 5 of 20, both sides
    # Bonett and Price's: one clip more for each side of 102.
    half = 1.959964 * ((22 / 102 - (10 / 102) ** 2) / 102) ** 0.5
    assert (found.low, found.high) == pytest.approx((1000 / 102 - 100 * half, 1000 / 102 + 100 * half), abs=1e-4)
    other = difference(cells(0, model="b"), cells(0), right)
    assert other and other.points == -found.points and other.p == found.p


def test_equals_are_not_told_apart() -> None:
    found = difference(cells(0), cells(0, model="b"), runs(a0=[1, 2, 3], b0=[1, 2, 3]))
    assert found and (found.points, found.p) == (0, 1) and found.low == -found.high and 2 < found.high < 4


def test_seeds_are_paired_and_both_clips_and_seeds_have_a_say() -> None:
    right = runs(a0=list(range(50)), a1=list(range(54)), b0=list(range(40)), b1=list(range(40)), b2=[])
    found = difference(cells(0, 1), cells(0, 1, 2, model="b"), right)
    assert found and found.points == pytest.approx(12) and found.seeds == 2
    # Over seeds: 10 and 14, a variance of the mean of 4; over clips: 10 of 1 and 4 of a half beside 86 of 0.
    clips = 10000 * (10 * 0.88**2 + 4 * 0.38**2 + 86 * 0.12**2) / 100**2 * 100 / 99
    freedom = (4 + clips) ** 2 / (4**2 / 1 + clips**2 / 99)
    half = stats.t.ppf(0.975, freedom) * (4 + clips) ** 0.5
    assert (found.low, found.high) == pytest.approx((12 - half, 12 + half))
    assert found.p == pytest.approx(2 * stats.t.sf(12 / (4 + clips) ** 0.5, freedom))


def test_seeds_that_are_far_apart_widen_the_interval() -> None:
    steady = runs(a0=list(range(60)), a1=list(range(60)), b0=list(range(50)), b1=list(range(50)))
    apart = runs(a0=list(range(70)), a1=list(range(50)), b0=list(range(50)), b1=list(range(50)))
    found, wider = (difference(cells(0, 1), cells(0, 1, model="b"), right) for right in (steady, apart))
    assert found and wider and found.points == wider.points == pytest.approx(10)
    assert found.low > 3 and found.p < 0.01 and wider.low < -10 and wider.p > 0.2


@pytest.mark.parametrize(("seeds", "between"), [(1, 0.0), (3, 0.0), (3, 0.05), (5, 0.03)])
def test_the_interval_covers_as_often_as_it_says(seeds: int, between: float) -> None:
    """Of 200 pairs with a true difference of 10 points over 100 clips, about 95 % of the intervals hold it.

    Clips differ in how hard they are, and networks of different seeds by `between` of all clips.
    """
    rng, held = np.random.default_rng(0), 0
    for _ in range(200):
        hard = rng.uniform(0.2, 0.8, 100)
        drawn = {}
        for seed in range(seeds):
            for name, gain in (("a", 0.05), ("b", -0.05)):
                share = (hard + gain + rng.normal(0, between)).clip(0, 1)
                drawn[f"{name}{seed}"] = np.flatnonzero(rng.random(100) < share).tolist()
        found = difference(cells(*range(seeds)), cells(*range(seeds), model="b"), runs(**drawn))
        held += bool(found and found.low <= 10 <= found.high)
    assert 180 <= held <= 199


def test_views_of_one_performance_count_as_little_as_they_say() -> None:
    """Four views that are always right or wrong together say no more than one."""

    def viewed(views: int):
        return {
            key: {(shown, f"{shown}-{view}"): shown in right for shown in range(40) for view in range(views)}
            for key, right in (("a0", range(12)), ("b0", range(4, 12)))
        }.get

    four, two = (difference(cells(0), cells(0, model="b"), viewed(views)) for views in (4, 2))
    assert four and two and (four.low, four.high, four.p) == pytest.approx((two.low, two.high, two.p))
    one = difference(cells(0), cells(0, model="b"), viewed(1))
    assert one and one.points == four.points == pytest.approx(10)
    assert four.high - four.low == pytest.approx(one.high - one.low, rel=0.25)


def test_a_run_from_before_performances_were_kept_is_paired_by_the_clips_names() -> None:
    old = {f"{shown}-{view}": (f"{shown}-{view}", shown) for shown in range(40) for view in (0, 1)}
    found = {"a0": {(shown, name): shown < 12 for name, (_, shown) in old.items()}}
    found["b0"] = {(name, name): 4 <= shown < 12 for name, (_, shown) in old.items()}
    mixed = difference(cells(0), cells(0, model="b"), found.get)
    found["b0"] = {(shown, name): right for (_, name), right in found["b0"].items() for shown in [old[name][1]]}
    assert mixed and mixed == difference(cells(0), cells(0, model="b"), found.get)
    found |= {"a1": {("other", "other"): True}, "b1": {("other", "other"): False}}
    assert mixed == difference(cells(0, 1), cells(0, 1, model="b"), found.get), "a seed of other clips has no say"


def test_folds_of_a_seed_are_taken_together() -> None:
    one, two = ("c1", "c1"), ("c2", "c2")
    parts = {"a/1": {one: True}, "a/2": {two: True}, "b/1": {one: False}, "b/2": {two: True}}
    a, b = ([{"seed": 0, "status": "done", "keys": [f"{m}/1", f"{m}/2"]}] for m in "ab")
    found = difference(a, b, parts.get)
    assert found and found.points == 50


@pytest.mark.parametrize(
    ("these", "those"),
    [(cells(0, status="failed"), cells(0, model="b")), (cells(1), cells(0, model="b")), ([], [])],
)
def test_what_is_missing_is_no_difference(these: list, those: list) -> None:
    assert difference(these, those, runs(a0=[1], b0=[2])) is None


def test_runs_of_other_clips_are_not_compared() -> None:
    assert difference(cells(0), cells(0, model="b"), {"a0": {("x", "x"): True}, "b0": {("y", "y"): True}}.get) is None
    assert difference(cells(0), cells(0, model="b"), {"a0": {("x", "x"): True}}.get) is None


@pytest.mark.parametrize(
    ("p", "adjusted"),
    [
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),  # R: p.adjust(p, "holm")
        ([0.02, 0.02, 0.9], [0.06, 0.06, 0.9]),
        ([0.6, 0.7], [1.0, 1.0]),
        ([0.03], [0.03]),
        ([], []),
    ],
)
def test_holms_correction(p: list[float], adjusted: list[float]) -> None:
    assert holm(p) == pytest.approx(adjusted)


def test_a_gap_among_comparisons_is_not_corrected_for() -> None:
    one, two = Difference(5, 1, 9, 0.02, 1), Difference(3, -1, 7, 0.0004, 1)
    first, gap, last = corrected([one, None, two])
    assert first and gap is None and last and (first.holm, last.holm) == pytest.approx((0.02, 0.0008))
    assert first.text == "+5.00 [+1.00 to +9.00; p = 0.020, Holm = 0.020]"
    assert last.text == "+3.00 [−1.00 to +7.00; p < 0.001, Holm < 0.001]"

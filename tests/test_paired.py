"""Differences clip by clip, their intervals and their tests, on made-up runs."""

import numpy as np
import pytest

from orchestrator.paired import difference


def cells(*seeds: int, model: str = "a", status: str = "done") -> list[dict]:
    return [{"seed": s, "status": status, "keys": [f"{model}{s}"]} for s in seeds]


def runs(**right: list[int]):
    """By key: which of 100 clips are right."""
    found = {key: {f"clip{i}": i in set(clips) for i in range(100)} for key, clips in right.items()}
    return found.get


def test_one_seed_is_mcnemars_exact_test() -> None:
    right = runs(a0=list(range(20, 80)), b0=list(range(35, 85)))  # 15 won, 5 lost
    found = difference(cells(0), cells(0, model="b"), right)
    assert found and found.points == pytest.approx(10) and found.seeds == 1
    assert found.p == pytest.approx(0.04138947)  # binomial, 5 of 20, both sides
    assert 0.5 < found.low < 4 and 16 < found.high < 20
    other = difference(cells(0, model="b"), cells(0), right)
    assert other and other.points == -found.points and other.p == found.p


def test_equals_are_not_told_apart() -> None:
    found = difference(cells(0), cells(0, model="b"), runs(a0=[1, 2, 3], b0=[1, 2, 3]))
    assert found and (found.points, found.low, found.high, found.p) == (0, 0, 0, 1)


def test_seeds_are_paired_and_averaged_over_each_clip() -> None:
    right = runs(a0=list(range(50)), a1=list(range(60)), b0=list(range(40)), b1=list(range(40)), b2=[])
    found = difference(cells(0, 1), cells(0, 1, 2, model="b"), right)
    assert found and found.points == pytest.approx(15) and found.seeds == 2
    assert found.low > 5 and found.p < 0.001 and "p < 0.001" in found.text


def test_the_interval_covers_as_often_as_it_says() -> None:
    """Of 200 pairs with a true difference of 10 points over 100 clips, about 95 % of the intervals hold it."""
    rng, held = np.random.default_rng(0), 0
    for _ in range(200):
        a, b = rng.random(100) < 0.7, rng.random(100) < 0.6
        right = runs(a0=np.flatnonzero(a).tolist(), b0=np.flatnonzero(b).tolist())
        found = difference(cells(0), cells(0, model="b"), right)
        held += bool(found and found.low <= 10 <= found.high)
    assert 178 <= held <= 199


def test_folds_of_a_seed_are_taken_together() -> None:
    parts = {"a/1": {"c1": True}, "a/2": {"c2": True}, "b/1": {"c1": False}, "b/2": {"c2": True}}
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
    assert difference(cells(0), cells(0, model="b"), {"a0": {"x": True}, "b0": {"y": True}}.get) is None
    assert difference(cells(0), cells(0, model="b"), {"a0": {"x": True}}.get) is None

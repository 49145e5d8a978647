"""Metrics against numbers worked out by hand."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from orchestrator.storage.metrics import score, score_run
from orchestrator.storage.store import Store
from tests.support.runs import specs


def ranked(*rankings: list[int], classes: int) -> np.ndarray:
    """(N, K) probabilities that rank the classes of each clip as given, those not named after them."""
    weights = np.zeros((len(rankings), classes))
    for row, ranking in zip(weights, rankings, strict=True):
        row[ranking] = np.arange(classes, classes - len(ranking), -1)
    return weights / weights.sum(1, keepdims=True)


# Eight clips of seven classes; class 6 is only ever predicted, class 5 neither.
LABELS = np.array([0, 0, 0, 1, 1, 2, 3, 4])
FIRST = [0, 0, 1, 1, 6, 2, 2, 0]  # right: clips 0, 1, 3, 5
THEN = [[1], [1], [0], [0], [2, 3, 4, 1], [0], [0, 1, 4, 5], [1, 2, 3, 5]]  # clip 4 fifth; 6 and 7 never
RANKED = ranked(*([first, *then] for first, then in zip(FIRST, THEN, strict=True)), classes=7)


def test_by_hand() -> None:
    found = score(LABELS, RANKED)
    # Class 0: 2 right of 3, 3 predicted: 2/3. Class 1: 1 of 2, 2: 1/2. Class 2: 1 of 1, 2: 2/3. 3 and 4: 0.
    assert found == pytest.approx(
        {"top1": 4 / 8, "top5": 6 / 8, "f1": (2 / 3 + 1 / 2 + 2 / 3 + 0 + 0) / 5, "k": 4, "n": 8}
    )
    assert all(type(value) in (int, float) for value in found.values()), "plain numbers, for JSON"


@pytest.mark.parametrize(
    ("hidden", "expected"),
    [
        ([0], {"top1_seen": 2 / 5, "k_seen": 2, "n_seen": 5, "top1_hidden": 2 / 3, "k_hidden": 2, "n_hidden": 3}),
        ([3, 4], {"top1_seen": 4 / 6, "k_seen": 4, "n_seen": 6, "top1_hidden": 0, "k_hidden": 0, "n_hidden": 2}),
        ([5], {"top1_seen": 4 / 8, "k_seen": 4, "n_seen": 8}),  # no test clip of it
        ([0, 1, 2, 3, 4], {"top1_hidden": 4 / 8, "k_hidden": 4, "n_hidden": 8}),
    ],
)
def test_hidden_and_seen_classes_apart(hidden: list[int], expected: dict[str, float]) -> None:
    found = score(LABELS, RANKED, hidden)
    whole = score(LABELS, RANKED)
    assert {name: found[name] for name in whole} == whole
    if {"top1_seen", "top1_hidden"} <= expected.keys():
        seen, lost = expected["top1_seen"], expected["top1_hidden"]
        expected = expected | {"harmonic": 2 / (1 / seen + 1 / lost) if lost else 0}
    assert {name: value for name, value in found.items() if name not in whole} == pytest.approx(expected)


@pytest.mark.parametrize("classes", [2, 3, 4, 5])
def test_with_at_most_five_classes_every_clip_is_found(classes: int) -> None:
    labels = np.arange(classes)
    found = score(labels, np.roll(np.eye(classes), 1, axis=1))
    assert (found["top1"], found["top5"], found["f1"], found["k"]) == (0, 1, 0, 0)


@pytest.mark.parametrize(("label", "top1", "top5"), [(1, 1, 1), (3, 0, 1), (9, 0, 1), (11, 0, 0), (0, 0, 0)])
def test_ties_rank_by_class_number(label: int, top1: int, top5: int) -> None:
    odd_classes_tie = np.where(np.arange(27) % 2, 0.05, 0.025)[None]
    found = score(np.array([label]), odd_classes_tie)
    assert (found["top1"], found["top5"]) == (top1, top5)


def test_of_a_run_from_its_predictions(tmp_path: Path) -> None:
    spec = specs.run("imu", hidden={"imu": (0,)})
    folder = Store(tmp_path).run(spec.key)
    folder.begin(spec)
    folder.write_predictions(pa.table({"label": LABELS, "probabilities": list(RANKED)}))
    assert score_run(folder) == score(LABELS, RANKED, [0])

"""Who trains and who is tested, on a made-up manifest."""

from collections.abc import Sequence
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from datasets import splits
from datasets.manifest import Manifest, schema
from datasets.synthetic import utd_mhad as synthetic
from tests.support.recordings.folders import read

ROWS = np.arange(100, 190)
LABELS = np.repeat([0, 1, 2, 7], [10, 20, 57, 3])  # of ROWS: unequal classes, and not all of those between


def made_up(subjects: Sequence[int], trials: int = 2) -> Manifest:
    """Five classes; a clip's files are named after it, sizes are any."""
    rows = [
        {"clip": f"a{k + 1}_s{s}_t{t}", "subject": s, "trial": t, "label": k}
        | {"imu": "", "imu_count": 100, "imu_content": f"{k}-{s}-{t}"}
        for k, s, t in product(range(5), subjects, range(1, trials + 1))
    ]
    classes = tuple("abcde")
    clips = pa.Table.from_pylist(rows, schema(("imu",)))
    return Manifest("made up", {}, "utd-mhad", classes, clips, Path("/recordings"))


@pytest.mark.parametrize("subjects", [range(1, 9), (8, 3, 2, 1), range(1, 11)])
def test_odd_subjects_train_and_even_ones_are_tested(subjects: Sequence[int]) -> None:
    manifest = made_up(subjects)
    of_row = manifest.clips.column("subject").to_numpy()
    train, test = splits.split(manifest, "odd-even")
    assert set(of_row[train]) == {s for s in subjects if s in (1, 3, 5, 7)}
    assert set(of_row[test]) == {s for s in subjects if s in (2, 4, 6, 8)}
    assert sorted([*train, *test]) == np.flatnonzero(of_row <= 8).tolist()  # each clip once, none of a subject 9
    assert (np.diff(train) > 0).all() and (np.diff(test) > 0).all()


@pytest.mark.parametrize("subjects", [(1, 3), (2, 4, 6, 8), (9, 10)])
def test_a_protocol_without_its_subjects_names_folder_and_subjects(subjects: Sequence[int]) -> None:
    with pytest.raises(ValueError, match=r"/recordings: protocol odd-even") as raised:
        splits.split(made_up(subjects), "odd-even")
    assert str(list(subjects)) in str(raised.value)
    assert "(1, 3, 5, 7)" in str(raised.value) and "(2, 4, 6, 8)" in str(raised.value)


def test_a_protocol_describes_who_is_there() -> None:
    text = splits.describe(made_up((1, 2, 3, 4)), "odd-even")
    assert text == "cross-subject (odd-even): subjects 1, 3 train (20 clips), subjects 2, 4 test (20 clips)"


def test_even_odd_is_odd_even_the_other_way_round() -> None:
    manifest = made_up(range(1, 9))
    (a, b), (c, d) = (splits.split(manifest, name) for name in ("odd-even", "even-odd"))
    assert (a.tolist(), b.tolist()) == (d.tolist(), c.tolist())


def test_trials_have_the_same_subjects_on_both_sides_and_say_so() -> None:
    manifest = made_up(range(1, 9), trials=4)
    train, test = splits.split(manifest, "trials")
    clips = manifest.clips.to_pylist()
    assert {clips[row]["trial"] for row in train} == {1, 2} and {clips[row]["trial"] for row in test} == {3, 4}
    assert {clips[row]["subject"] for row in train} == {clips[row]["subject"] for row in test}
    assert splits.describe(manifest, "trials").startswith("same subjects (trials): trials 1, 2 train (80 clips)")
    with pytest.raises(ValueError, match="test trials"):
        splits.split(made_up(range(1, 9), trials=2), "trials")


def test_leaving_one_subject_out_tests_every_clip_once() -> None:
    manifest = made_up((1, 2, 5))
    folds = splits.folds(manifest, "leave-one-subject-out")
    assert folds == tuple(f"leave-one-subject-out/{s}" for s in (1, 2, 5))
    of_row = manifest.clips.column("subject").to_numpy()
    tested = []
    for fold, subject in zip(folds, (1, 2, 5), strict=True):
        train, test = splits.split(manifest, fold)
        assert set(of_row[test]) == {subject} and set(of_row[train]) == {1, 2, 5} - {subject}
        tested += test.tolist()
    assert sorted(tested) == list(range(manifest.clips.num_rows))
    text = splits.describe(manifest, "leave-one-subject-out")
    assert "each of the subjects, 1, 2, 5, tested once" in text and "mean of 3 folds (30 clips)" in text
    assert splits.folds(manifest, "odd-even") == ("odd-even",)


@pytest.mark.parametrize(("name", "own"), [("odd-even", {1, 3, 5, 7}), ("even-odd", {2, 4, 6, 8})])
def test_validation_never_touches_a_test_subject(name: str, own: set[int]) -> None:
    manifest = made_up(range(1, 9))
    of_row = manifest.clips.column("subject").to_numpy()
    forbidden = set(splits.split(manifest, name)[1].tolist())
    tested = []
    for fold in splits.folds(manifest, f"{name}-validation"):
        train, test = splits.split(manifest, fold)
        assert forbidden.isdisjoint([*train, *test])
        assert set(of_row[train]) | set(of_row[test]) == own and len(set(of_row[test])) == 1
        assert set(of_row[train]).isdisjoint(of_row[test])
        tested += test.tolist()
    assert sorted(tested) == splits.split(manifest, name)[0].tolist()
    assert f"training subjects of {name}, " in splits.describe(manifest, f"{name}-validation")


@pytest.mark.parametrize("ratio", [0.01, 0.1, 0.25, 0.5, 0.75, 1.0])
def test_a_subset_keeps_each_classs_share(ratio: float) -> None:
    kept = splits.subset(ROWS, LABELS, ratio, seed=0)
    assert (np.diff(kept) > 0).all() and np.isin(kept, ROWS).all()
    for label, count in zip(*np.unique(LABELS, return_counts=True), strict=True):
        assert (LABELS[kept - 100] == label).sum() == max(1, round(ratio * count))


def test_all_is_all() -> None:
    assert splits.subset(ROWS, LABELS, 1.0, seed=3).tolist() == ROWS.tolist()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_subsets_are_nested_repeatable_and_other_for_another_seed(seed: int) -> None:
    ratios = (0.05, 0.1, 0.25, 0.5, 0.75, 1.0)
    drawn = [set(splits.subset(ROWS, LABELS, ratio, seed).tolist()) for ratio in ratios]
    assert all(small < large for small, large in pairwise(drawn))
    assert drawn[2] == set(splits.subset(ROWS, LABELS, 0.25, seed).tolist())
    assert drawn[2] != set(splits.subset(ROWS, LABELS, 0.25, seed + 1).tolist())


@pytest.mark.parametrize("ratio", [0, -0.1, 1.01, float("nan")])
def test_a_ratio_out_of_range_is_refused(ratio: float) -> None:
    with pytest.raises(ValueError, match=f"ratio={ratio}"):
        splits.subset(ROWS, LABELS, ratio, seed=0)


def test_hidden_classes_are_nested_repeatable_and_other_for_another_seed() -> None:
    drawn = {seed: [splits.hidden_classes(range(27), n, seed) for n in (0, 1, 3, 5)] for seed in range(4)}
    for seed, (none, one, three, five) in drawn.items():
        assert none == () and set(one) < set(three) < set(five)
        assert len(one) == 1 and len(three) == 3 and len(five) == 5
        assert list(five) == sorted(five)
        assert splits.hidden_classes(list(range(26, -1, -1)) * 2, 5, seed) == five  # of the set, in any order
    assert len({five for *_, five in drawn.values()}) == 4


def test_hidden_classes_are_among_those_that_are_trained_on() -> None:
    assert set(splits.hidden_classes(LABELS, 3, seed=1)) < {0, 1, 2, 7}


@pytest.mark.parametrize("count", [-1, 4, 5])
def test_one_class_must_stay(count: int) -> None:
    with pytest.raises(ValueError, match=f"{count} hidden classes: the training clips have 4 classes"):
        splits.hidden_classes(LABELS, count, seed=0)


@pytest.mark.parametrize("hidden", [(), (1,), (0, 7), (5,)])
def test_without_leaves_the_hidden_classes_clips_out(hidden: tuple[int, ...]) -> None:
    kept = splits.without(ROWS, LABELS, hidden)
    assert kept.tolist() == [row for row, label in zip(ROWS, LABELS, strict=True) if label not in hidden]


def test_clips_on_neither_side_of_a_protocol_are_counted(tmp_path: Path) -> None:
    ten = read("utd-mhad", synthetic.write(tmp_path / "ten", subjects=10, trials=1, actions=2))
    words = "4 of 20 clips, of subjects 9, 10, are on neither side of protocol {}: they are not used"
    assert splits.unused(ten, "odd-even") == words.format("odd-even")
    assert splits.unused(ten, "odd-even-validation") == words.format("odd-even-validation")
    assert splits.unused(ten, "leave-one-subject-out") is None
    eight = read("utd-mhad", synthetic.write(tmp_path / "eight", subjects=8, trials=1, actions=2))
    assert splits.unused(eight, "odd-even") is None and splits.unused(eight, "trials") is None

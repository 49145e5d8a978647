"""Where each model errs, on made-up predictions: of 12 clips the last three are taken for the next class."""

from pathlib import Path

import pytest

from orchestrator.report import confusions
from orchestrator.report.paired import wilson
from tests.support.runs.made_up import fail, make, text_of, write


def test_clips_are_counted_by_subject_and_by_class(tmp_path: Path):
    results, runs = make(tmp_path), tmp_path
    found = {"imu": confusions.predictions(results, runs, "imu"), "imu+video": []}
    (by_subject,) = confusions.rows(results, runs, found, "subject")
    assert (by_subject.label, by_subject.keys) == ("IMU only", ["imu-10-0-0-0"])
    assert (by_subject.right, by_subject.total) == ({2: 6, 4: 3}, {2: 6, 4: 6})
    (by_class,) = confusions.rows(results, runs, found, "label")
    assert (by_class.right, by_class.total) == ({0: 3, 1: 3, 2: 3}, {0: 4, 1: 4, 2: 4})
    assert confusions.taken_for(results, found["imu"]) == [("clap", 1), ("squat", 1), ("wave", 1)]
    assert confusions.taken_for(results, []) == [None, None, None]


def test_seeds_are_counted_together_and_those_without_predictions_left_out(tmp_path: Path):
    results = make(tmp_path, seeds=3)
    (tmp_path / "imu-10-0-0-2" / "predictions.parquet").unlink()
    fail(results, 0, "failed", "out of memory")  # seed 0 of Table 2's IMU only
    (row,) = confusions.rows(results, tmp_path, {"imu": confusions.predictions(results, tmp_path, "imu")}, "subject")
    assert row.keys == ["imu-10-0-0-1"] and row.right.total() == 10 and row.total.total() == 12


def test_the_page_lists_classes_with_what_they_are_taken_for(no_plots, tmp_path: Path):
    text = text_of(write(make(tmp_path / "runs"), tmp_path))
    assert (
        "Class IMU only depth video (AVI) only IMU + depth video (AVI) IMU + depth video (AVI) most often takes it for"
        in text
    )
    assert "wave 75.0 3/4 75.0 3/4 75.0 3/4 clap (1)" in text


def test_wilsons_interval_as_tabled():
    assert wilson(0, 10) == pytest.approx((0, 27.75), abs=0.01)
    assert wilson(314, 430) == pytest.approx((68.64, 77.00), abs=0.01)

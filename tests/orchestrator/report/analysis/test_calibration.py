"""Reliability, expected calibration error and coverage, against numbers worked out by hand."""

from pathlib import Path

import numpy as np
import pytest

from orchestrator.report.analysis import calibration
from tests.support.runs.made_up import in_folds, make, text_of, write


def test_the_expected_error_weighs_bins_by_their_clips():
    """Four clips at 0.9 of which three are right, and one at 0.5 that is wrong."""
    sure, right = np.array([0.9, 0.9, 0.9, 0.9, 0.5]), np.array([True, True, True, False, False])
    assert calibration.expected_error(sure, right) == pytest.approx((4 * 0.15 + 1 * 0.5) / 5)


def test_confidence_that_is_right_has_no_error():
    draw = np.random.default_rng(0)
    sure = draw.uniform(0.2, 1.0, 200_000)
    right = draw.random(200_000) < sure
    assert calibration.expected_error(sure, right) < 0.01
    assert calibration.expected_error(sure, draw.random(200_000) < sure**2) > 0.1


def test_a_bin_has_its_upper_edge():
    count, _, accuracy = calibration.bins(np.array([1.0, 1 / 15, 1 / 15 + 1e-9]), np.array([True, False, True]))
    assert count[0] == count[1] == count[14] == 1 and count.sum() == 3
    assert accuracy[0] == 0 and accuracy[1] == accuracy[14] == 1 and np.isnan(accuracy[5])


def test_the_surest_clips_are_answered_first():
    curve = calibration.covered(np.array([0.2, 0.9, 0.6, 0.4]), np.array([False, True, True, False]))
    assert curve.tolist() == [1, 1, pytest.approx(2 / 3), 0.5]


def test_each_row_has_its_numbers_over_seeds_and_folds(tmp_path: Path):
    """Each clip's confidence is 0.7; 9 and 10 of 12 are right."""
    results = make(tmp_path / "runs", seeds=2)
    for folds in (False, True):
        results = in_folds(results, tmp_path / "runs") if folds else results
        rows = calibration.rows(results, tmp_path / "runs")
        assert [row.label for row in rows] == ["IMU only", "depth video (AVI) only", "IMU + depth video (AVI)"]
        for row in rows:
            assert row.error == pytest.approx([5, 100 * (10 / 12 - 0.7)])
            assert row.above == pytest.approx([-5, -100 * (10 / 12 - 0.7)])
            assert row.covered[1.0] == pytest.approx([75, 1000 / 12])
            assert row.covered[0.5] == [100, 100], "equally sure clips in the order of the table"


def test_the_page_has_it_and_a_run_without_predictions_has_none(no_plots: None, tmp_path: Path):
    results = make(tmp_path / "runs")
    assert "IMU only imu-10 5.00 −5.00 75.00" in text_of(write(results, tmp_path))
    for file in (tmp_path / "runs").glob("*/predictions.parquet"):
        file.unlink()
    assert "Expected calibration error" not in text_of(write(results, tmp_path))

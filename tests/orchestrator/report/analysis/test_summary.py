"""What the report opens with."""

from pathlib import Path

import pytest

from orchestrator.report.analysis import summary
from orchestrator.report.verdicts import Claim
from orchestrator.storage.run_folder import RunFolder
from tests.support.runs.made_up import fail, make, make_subsets, text_of, write

CLAIMS = {
    "table2": ["holds, ours is above it (demo scale)", "does not hold (demo scale)", "not in this plan: elsewhere.py"],
    "ratio": ["holds: 25 %; not told apart: 50 %, 75 % (demo scale)", "does not hold: 1; not told apart: 3"],
    "zero_shot": ["not told apart", "not testable on this data (the paper has no number for it)", "no result yet"],
}
COUNTS = {
    "holds": 1, "holds in part": 1, "does not hold": 2, "not told apart": 1, "not testable on this data": 1,
    "no result in this plan": 2,
}  # fmt: skip


def test_claims_are_counted_by_their_verdicts():
    claims = {part: [Claim("", "", "", verdict) for verdict in verdicts] for part, verdicts in CLAIMS.items()}
    assert {name: len(those) for name, those in summary.by_verdict(claims).items()} == COUNTS


def test_the_best_model_stands_beside_the_best_single_modality(tmp_path: Path):
    results = make_subsets(tmp_path / "runs", {"imu": 2, "video": 6, "imu+video": 10})
    found = summary.best(results, lambda key: RunFolder(tmp_path / "runs" / key).right())
    assert found and (found.label, found.top1.text, found.of) == ("IMU + depth video (AVI)", "83.33", 3)
    assert found.gap and found.gap.points == pytest.approx(100 * 4 / 12) and found.single == "depth video (AVI) only"
    alone = make_subsets(tmp_path / "alone", {"imu": 8, "video": 6, "imu+video": 7})
    found = summary.best(alone, lambda key: None)
    assert found and (found.label, found.single, found.gap) == ("IMU only", "", None)


def test_what_was_trained_is_counted_and_timed(tmp_path: Path):
    results = make(tmp_path / "runs")
    results["runs"]["imu-10-0-0-0"]["status"] = "failed"
    found = {label: (count, seconds) for label, count, seconds in summary.trained(results)}
    assert found["IMU only"] == (3, 36.0) and found["depth video (AVI) only"] == (4, 48.0)


def test_the_page_opens_with_it(no_plots: None, tmp_path: Path):
    results = make(tmp_path / "runs", "RGB", "UTD-MHAD")
    text = text_of(write(results, tmp_path))
    opening = text[text.index("What was found") : text.index("How it was run")]
    assert "IMU only reaches 75.00 % top-1 , 95 % interval 46.77 to 91.11." in opening
    assert "claims of the paper" in opening and f"{len(results['runs'])} runs were trained" in opening
    assert text.index("What was found") < text.index("Table 2: single modalities")


def test_without_a_result_it_says_so(no_plots: None, tmp_path: Path):
    results = make(tmp_path / "runs")
    for index in range(len(results["cells"])):
        fail(results, index, "pending", "")
    assert summary.best(results, lambda key: None) is None
    assert "No result has a score yet." in text_of(write(results | {"runs": {}}, tmp_path))

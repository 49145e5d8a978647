"""What moved since another report, on made-up storages."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from orchestrator.report import html
from orchestrator.report.analysis import changes
from tests.support.runs.made_up import make_subsets, text_of

BEFORE = {"imu": 2, "video": 6, "imu+video": 8}
NOW = {"imu": 2, "video": 9, "imu+video": 8}


def storage(root: Path, right: dict[str, int], **settings: Any) -> dict[str, Any]:
    """With a report's folder."""
    results = make_subsets(root / "runs", right) | settings
    folder = root / "reports" / "modality_subsets"
    folder.mkdir(parents=True)
    (folder / "results.json").write_text(json.dumps(results))
    return results


@pytest.fixture
def other(tmp_path: Path) -> Path:
    storage(tmp_path / "other", BEFORE)
    return tmp_path / "other/reports/modality_subsets"


def test_a_row_that_moved_is_compared_clip_by_clip(other: Path, tmp_path: Path):
    ours = storage(tmp_path / "ours", NOW, recipe="tuned")
    found = changes.since(ours, tmp_path / "ours/runs", other)
    [row] = found.moved
    assert (row.label, row.before.text, row.now.text) == ("Subsets: depth video (AVI) only", "50.00", "75.00")
    assert (
        row.difference.startswith("+25.00 [")
        and "p = 0.250" in row.difference
        and row.how == "the same clips, 1 seed of both"
    )
    assert found.alike == 2 and found.settings == [("recipe", "paper", "tuned")] and not found.gone + found.new


def test_without_the_other_predictions_it_is_unpaired_and_said_so(other: Path, tmp_path: Path):
    shutil.rmtree(other.parents[1] / "runs")
    ours = storage(tmp_path / "ours", NOW)
    [row] = changes.since(ours, tmp_path / "ours/runs", other).moved
    # By hand from Wilson's 25.38 to 74.62 and 46.77 to 91.11.
    low, high = 25 - (28.23**2 + 24.62**2) ** 0.5, 25 + (16.11**2 + 24.62**2) ** 0.5
    assert row.difference == f"+25.00 [{low:+.2f} to {high:+.2f}]".replace("-", "−") and row.how == changes.UNPAIRED


def test_rows_of_one_report_alone_are_named(other: Path, tmp_path: Path):
    ours = storage(tmp_path / "ours", {"imu": 2, "skeleton": 3, "imu+skeleton": 4})
    found = changes.since(ours, tmp_path / "ours/runs", other)
    assert found.gone == ["Subsets: depth video (AVI) only", "Subsets: IMU + depth video (AVI)"]
    assert found.new == ["Subsets: Skeleton only", "Subsets: IMU + Skeleton"] and not found.moved


def test_the_page_has_it(other: Path, no_plots: None, tmp_path: Path):
    ours = storage(tmp_path / "ours", NOW)
    found = changes.since(ours, tmp_path / "ours/runs", other)
    page = html.write(ours, tmp_path / "ours/runs", tmp_path / "report", changes=found).read_text()
    assert "1 rows moved, 2 have the same top-1" in text_of(page) and (tmp_path / "report/changes.csv").exists()
    assert "What changed" not in html.write(ours, tmp_path / "ours/runs", tmp_path / "report").read_text()


@pytest.mark.parametrize("content", [None, "{}", "no json"])
def test_a_folder_that_is_no_reports_is_named(content: str | None, tmp_path: Path):
    if content is not None:
        (tmp_path / "results.json").write_text(content)
    with pytest.raises(ValueError, match=str(tmp_path)):
        changes.since(make_subsets(tmp_path / "runs", NOW), tmp_path / "runs", tmp_path)

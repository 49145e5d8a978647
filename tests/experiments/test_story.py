"""What `make grid` shows: the order of the paper's results on the synthetic corpus, by 95 % intervals."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from orchestrator.report import scores
from orchestrator.report.paired import Difference, difference
from orchestrator.storage.store import Store
from tests.support.grids import ROOT

pytestmark = pytest.mark.long
ALONE = ("imu", "video", "depth", "skeleton")
CHANCE = 100 / 27


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("story")
    ended = subprocess.run(
        ["make", "grid", f"STORAGE={folder}"], cwd=ROOT, capture_output=True, text=True, timeout=1800
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return folder


@pytest.fixture(scope="module")
def results(storage: Path) -> dict[str, Any]:
    return json.loads((storage / "reports/full_grid/results.json").read_text())


def over_clips(results: dict[str, Any], model: str) -> tuple[float, float]:
    ends = scores.over_clips(scores.modality(results, model))
    assert ends, model
    return ends


def test_it_is_the_papers_cells_and_four_more_rows(results: dict[str, Any]) -> None:
    assert len(results["cells"]) == 27 + 3 and len(results["runs"]) == 24 + 3 <= 36
    assert {cell["status"] for cell in results["cells"]} == {"done"}
    assert {cell["n"] for cell in results["cells"]} == {108}


@pytest.mark.parametrize("model", ALONE)
def test_each_modality_alone_is_far_above_chance(model: str, results: dict[str, Any]) -> None:
    assert over_clips(results, model)[0] > 10 * CHANCE


@pytest.mark.parametrize("model", ["imu", "video"])
def test_both_together_are_above_each_by_ten_points(model: str, results: dict[str, Any], storage: Path) -> None:
    fused, alone = scores.modality(results, "imu+video"), scores.modality(results, model)
    assert over_clips(results, "imu+video")[0] > over_clips(results, model)[1]
    assert against(fused, alone, storage).points >= 10


def test_all_four_are_above_each_of_them(results: dict[str, Any]) -> None:
    assert all(over_clips(results, "depth+imu+skeleton+video")[0] > over_clips(results, one)[1] for one in ALONE)


@pytest.mark.parametrize("model", ["imu", "video", "imu+video"])
def test_a_quarter_of_the_data_costs_accuracy(model: str, results: dict[str, Any], storage: Path) -> None:
    lost = against(scores.at_ratio(results, model, 0.25), scores.modality(results, model), storage)
    assert lost.high < 0 and lost.p < 0.05


@pytest.mark.parametrize("model", ["imu", "video"])
def test_five_hidden_classes_cost_accuracy(model: str, results: dict[str, Any], storage: Path) -> None:
    lost = against(scores.zero_shot(results, model, model, 5), scores.modality(results, model), storage)
    assert lost.high < 0 and lost.p < 0.05
    fused = scores.zero_shot(results, "imu+video", model, 5)
    assert against(fused, scores.zero_shot(results, model, model, 5), storage).low > 0


def against(these: list[scores.Cell], those: list[scores.Cell], storage: Path) -> Difference:
    """Over the same clips; the interval is of these two networks."""
    found = difference(these, those, lambda key: Store(storage).run(key).right())
    assert found
    return found

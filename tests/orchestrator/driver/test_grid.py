"""The whole way, with a real Ray and a real MLflow: a tiny synthetic corpus, three runs, a report; then again."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from mlflow import MlflowClient

from orchestrator.storage.store import Store

Start = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def storage(undisturbed: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy, for it is spoilt in the end."""
    copy = tmp_path_factory.mktemp("grid") / "storage"
    shutil.copytree(undisturbed[0], copy)
    return copy


@pytest.fixture(scope="module")
def results(undisturbed: tuple[Path, str]) -> dict:
    return json.loads((undisturbed[0] / "reports/full_grid/results.json").read_text())


def test_every_cell_is_done_and_every_test_clip_counted_once(results: dict, storage: Path):
    assert [cell["status"] for cell in results["cells"]] == ["done"] * 6
    for cell in results["cells"]:
        table = pq.read_table(storage / "runs" / cell["key"] / "predictions.parquet")
        assert cell["n"] == table.num_rows == 24
        assert len(set(table["clip"].to_pylist())) == 24
        assert set(table["subject"].to_pylist()) == {2, 4}
        right = sum(a == b for a, b in zip(table["label"].to_pylist(), table["predicted"].to_pylist(), strict=True))
        assert cell["k"] == right
        assert cell["top1"] == pytest.approx(right / 24)


def test_labels_follow_what_the_video_shows(results: dict, undisturbed: tuple[Path, str], storage: Path):
    assert results["video"] == "drawn figure"
    assert all(cell["paper"] is None for cell in results["cells"])
    assert "Drawn figure" in undisturbed[1]
    assert "\x1b" not in undisturbed[1], "what isn't a terminal gets no control codes"
    assert (storage / "reports/full_grid/report.html").stat().st_size > 10_000


def test_mlflow_has_each_run_once_with_its_curve(results: dict, undisturbed: tuple[Path, str], storage: Path):
    client = MlflowClient(f"sqlite:///{undisturbed[0] / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("full_grid")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], max_results=100)
    nested = {run.data.tags["key"]: run for run in runs if "key" in run.data.tags}
    assert len(nested) == len(runs) - 1 == len(results["runs"])
    parent = next(run for run in runs if "key" not in run.data.tags)
    for key, run in nested.items():
        assert run.info.status == "FINISHED"
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        steps = [m.step for m in client.get_metric_history(run.info.run_id, "loss")]
        assert sorted(steps) == [row["epoch"] for row in Store(storage).run(key).history()]
        files = {file.path for file in client.list_artifacts(run.info.run_id)}
        assert {"confusion.svg", "predictions.parquet"} <= files


def test_a_second_start_reads_what_is_done(start: Start, storage: Path):
    before = {file: file.stat().st_mtime_ns for file in (storage / "runs").glob("*/*")}
    again = start(storage, "--only", "modalities")
    assert again.returncode == 0, again.stdout + again.stderr
    assert again.stdout.count("0 to do of 1") == 3
    assert "\x1b" not in again.stdout + again.stderr
    assert {file: file.stat().st_mtime_ns for file in (storage / "runs").glob("*/*")} == before


@pytest.mark.long  # the usual tests have the rule in test_searcher.py
def test_a_run_that_fails_skips_what_stands_on_it_and_no_more(start: Start, storage: Path):
    """Video at a rate at which its loss explodes: its fusion is skipped, what else there is stands, and it is said."""
    ended = start(storage, "--only", "modalities", "--set", "video.optimization.lr", "1e30")
    assert ended.returncode == 1, ended.stdout + ended.stderr
    found = json.loads((storage / "reports/full_grid/results.json").read_text())
    assert found["recipe"] == "paper, video.optimization.lr 1e30"
    assert {cell["model"]: cell["status"] for cell in found["cells"]} == {
        "imu": "done",
        "video": "failed",
        "fusion": "skipped",
    }
    reasons = {run["kind"]: run["reason"] for run in found["runs"].values()}
    assert "isn't finite" in reasons["video"] and "needs video seed=0" in reasons["fusion"]

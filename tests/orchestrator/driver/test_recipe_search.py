"""A real search for a recipe, of minutes: what judges, what is kept, and what a second start does."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from mlflow import MlflowClient

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.long


def search(recordings: Path, storage: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "experiments/recipe_search.py", "--corpus", "utd-mhad", "--recordings", recordings]
    words += ["--storage", storage, "--set", "imu.times_epochs", "0.1", *flags]
    return subprocess.run(list(map(str, words)), cwd=ROOT, capture_output=True, text=True, timeout=900)


def test_a_search_reads_training_subjects_only_and_goes_on(grid_recordings: Path, tmp_path: Path) -> None:
    first = search(grid_recordings, tmp_path, "--settings", "2")
    assert first.returncode == 0, first.stdout + first.stderr
    [file] = tmp_path.glob("reports/recipe_search/imu-*/settings.json")
    found = json.loads(file.read_text())
    assert len(found["settings"]) == 2 and found["recipe"] == "tuned, imu.times_epochs 0.1"
    for record in found["settings"]:
        gains = [100 * look["top1"] for look in record["looks"]]
        assert 1 <= len(gains) <= 2 and "failed" not in record and -100 <= record["gain"] <= 100
    runs = sorted((tmp_path / "runs").iterdir())
    assert len(runs) == 2 + sum(len(record["looks"]) for record in found["settings"])
    subjects = {s for run in runs for s in pq.read_table(run / "predictions.parquet")["subject"].to_pylist()}
    assert subjects == {1, 3}, "2 and 4 are the protocol's test subjects"

    done = {run: (run / "done.json").stat().st_mtime_ns for run in runs}
    second = search(grid_recordings, tmp_path, "--settings", "3")
    assert second.returncode == 0, second.stdout + second.stderr
    after = json.loads(file.read_text())
    assert len(after["settings"]) == 3 and all(record in after["settings"] for record in found["settings"])
    assert (
        done.items() <= {run: (run / "done.json").stat().st_mtime_ns for run in (tmp_path / "runs").iterdir()}.items()
    )

    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("recipe_search")
    assert experiment
    logged = client.search_runs([experiment.experiment_id], "tags.key != ''", max_results=100)
    assert {run.data.tags["key"] for run in logged} == {run.name for run in (tmp_path / "runs").iterdir()}
    assert {run.data.tags["protocol"] for run in logged} == {"odd-even-validation"}


def test_an_early_stage_of_a_method_is_judged_by_its_last(grid_recordings: Path, tmp_path: Path) -> None:
    flags = ["--method", "simclr-imu", "--modality", "simclr_imu", "--modalities", "imu", "--settings", "1"]
    ended = search(grid_recordings, tmp_path, *flags, "--set", "probe_imu.times_epochs", "0.5")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    [file] = tmp_path.glob("reports/recipe_search/simclr_imu-*/settings.json")
    found = json.loads(file.read_text())
    [setting] = found["settings"]
    assert found["method"] == "simclr-imu" and setting["looks"] and "failed" not in setting
    assert all(name.startswith("simclr_imu.") for name in setting["setting"])
    specs = {run.name: json.loads((run / "spec.json").read_text())["spec"] for run in (tmp_path / "runs").iterdir()}
    for look in setting["looks"]:
        probe = specs[look["key"]]
        assert probe["stage"] == "probe_imu" and specs[probe["parents"]["imu"]]["stage"] == "simclr_imu"
    assert len(specs) == 2 * (2 + len(setting["looks"])), "each setting has an encoder of its own for each fold"


def test_a_stage_that_a_method_lacks_is_refused(grid_recordings: Path, tmp_path: Path) -> None:
    ended = search(grid_recordings, tmp_path, "--method", "simclr-imu", "--modality", "cmkm", "--modalities", "imu")
    assert ended.returncode == 2 and "choose from simclr_imu, probe_imu" in ended.stderr


def test_a_search_on_test_subjects_is_refused(grid_recordings: Path, tmp_path: Path) -> None:
    ended = search(grid_recordings, tmp_path, "--protocol", "odd-even")
    assert ended.returncode == 2 and "odd-even-validation" in ended.stderr


def test_a_space_that_changes_no_clip_is_refused_before_anything_trains(grid_recordings: Path, tmp_path: Path) -> None:
    ended = search(grid_recordings, tmp_path, "--modality", "video", "--recipe", "paper", "--settings", "2")
    assert ended.returncode == 2 and "video.augmentation.video" in ended.stderr and "spare_frames" in ended.stderr
    assert not list((tmp_path / "runs").glob("*/history.jsonl"))

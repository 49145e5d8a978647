"""The benchmarks: what a row says, what each compares, and the command; none of this asserts on a clock."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch

from datasets import corpora, splits
from datasets.manifest import Manifest
from experiments import full_grid
from experiments.benchmark import NAMES
from experiments.benchmarks import feed, grid, planning, stage2, start
from experiments.benchmarks.row import Place, Row
from orchestrator.driver.prepare import make_plan
from orchestrator.plan.options import Options
from orchestrator.plan.study import Study
from tests.support.runs.plans import manifest as utd_mhad

ROOT = Path(__file__).parents[2]
KEYS = {"name", "of", "ours", "against", "unit", "ratio", "target", "at_least", "met"}


def measured(*words: str) -> list[dict]:
    """What the command writes; it prints the same as a table."""
    file = Path(words[-1])
    done = subprocess.run(
        [sys.executable, "experiments/benchmark.py", *words], cwd=ROOT, capture_output=True, text=True, timeout=1500
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads(file.read_text())
    assert all(set(row) == KEYS and row["ours"] > 0 and isinstance(row["met"], bool) for row in rows)
    assert rows[0]["name"] in done.stdout
    return rows


def test_a_target_is_on_the_ratio_or_without_one_on_what_is_ours() -> None:
    assert Row("decode", "", 60.0, 100.0, "frames/s", 0.6, 0.55, True).met
    assert not Row("feed", "", 1.2, 1.0, "s", 1.2, 1.1, False).met
    assert Row("overhead", "", 5.9, None, "s", None, 6.0, False).met
    assert not Row("overhead", "", 6.1, None, "s", None, 6.0, False).met


def test_decode_measured_on_recordings(recordings: Path, tmp_path: Path) -> None:
    [row] = measured("decode", "--recordings", str(recordings), "--json", str(tmp_path / "rows.json"))
    assert row["name"] == "decode" and 0 < row["ratio"] < 1  # converting costs something
    assert row["ratio"] == pytest.approx(row["ours"] / row["against"], rel=0.5)


def test_recordings_that_are_none_are_told_in_a_sentence(tmp_path: Path) -> None:
    words = [sys.executable, "experiments/benchmark.py", "decode", "--recordings", str(tmp_path / "nowhere")]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2 and "nowhere" in done.stdout + done.stderr and "Traceback" not in done.stderr


def test_stage2_compares_steps_that_give_the_same_logits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage2, "ROUNDS", 1)
    row = stage2.compare(frames=8, size=32, clips=4)
    assert row.ours > 0 and row.against and row.against > 0
    trunk = stage2.Network.trunk

    def moved(self: stage2.Network, batch: dict, modality: str) -> dict:
        found = trunk(self, batch, modality)
        return found | {f"{modality}_trunk": found[f"{modality}_trunk"] + torch.randn(())}

    monkeypatch.setattr(stage2.Network, "trunk", moved)
    with pytest.raises(RuntimeError, match="logits"):
        stage2.compare(frames=8, size=32, clips=4)


def test_scripts_train_44_stages_where_the_grid_has_24_runs() -> None:
    study = Study(utd_mhad(), "laptop", "paper", "odd-even")
    plan = make_plan("full_grid", full_grid.cells, study, Options())
    stages = Counter(spec.stage for spec in grid.trained_by_scripts(plan))
    assert len(plan.runs) == 24 and sum(stages.values()) == plan.stages_without_sharing() == 44
    assert stages == {"imu": 17, "video": 17, "fusion": 10}


def test_an_epoch_of_the_feed_benchmark_trains(manifest: Manifest) -> None:
    study = Study(manifest, "demo", "paper", "odd-even")
    spec = study.runs[study.cell("modalities", "imu", 0).key]
    model = feed.build(spec.network, 3, seed=0)
    before = [p.clone() for p in model.parameters()]
    batch = {"imu": torch.randn(4, 180, 6), "imu_length": torch.full((4,), 180), "label": torch.tensor([0, 1, 2, 0])}
    assert feed.epoch(model, spec, [batch]) > 0
    assert any(not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_the_smallest_start_has_clips_to_train_on_and_to_test(tmp_path: Path) -> None:
    start.draw(tmp_path / "recordings")
    found = corpora.read("class-folders", tmp_path / "recordings", tmp_path / "scans", ["imu"])
    train, test = splits.split(found, splits.default(found))
    assert (len(train), len(test), found.bad, len(found.classes)) == (8, 4, (), 2)


def test_planning_makes_as_many_runs_as_it_says_and_splits_all_protocols() -> None:
    assert planning.plan_of(100) > 0
    seconds, gigabytes = planning.split_all(50_000)
    assert seconds > 0 and 0.05 < gigabytes < 64
    made = planning.made_up(50_000)
    assert made.clips.num_rows == 50_000 and len(set(made.clips["instance"].to_pylist())) == 12_500


@pytest.mark.long
def test_every_benchmark_on_the_synthetic_corpus(grid_recordings: Path, tmp_path: Path) -> None:
    rows = measured("--recordings", str(grid_recordings), "--json", str(tmp_path / "rows.json"))
    assert {row["name"] for row in rows} == set(NAMES)


@pytest.mark.long
def test_the_plain_script_trains_and_tests_each_stage(grid_recordings: Path, tmp_path: Path) -> None:
    place = Place(grid_recordings, tmp_path, scale="demo")
    assert set(grid.scripts(place)) == {"imu", "video", "fusion"}

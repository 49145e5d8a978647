"""The benchmarks: what a row says, what each compares, and the command; none of this asserts on a clock."""

import json
import pickle
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from mlflow import MlflowClient

from datasets import corpora, splits
from datasets.manifest import Manifest
from datasets.synthetic import utd_mhad as synthetic
from experiments import full_grid
from experiments.benchmark import NAMES
from experiments.benchmarks import feed, grid, long_grid, plain, planning, stage2, start, transfer
from experiments.benchmarks.row import Place, Row
from models.build import build
from orchestrator.driver.prepare import make_plan
from orchestrator.plan.options import Options
from orchestrator.plan.plan import Plan
from orchestrator.plan.study import Study
from orchestrator.storage import pretrained
from tests.orchestrator.plan.test_depth_plan import clips as clips
from tests.support import i3d_reference
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
    assert Row("transfer", "", 1.0, 9.0, "hours", 9.0, None, True).met is None


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


def test_a_script_passes_the_clips_of_its_own_result_through_frozen_blocks(clips: Manifest) -> None:
    study = Study(clips, "laptop", "transfer", "odd-even", ("depth", "imu"))
    (train, test), labels = splits.split(clips, "odd-even"), splits.labels(clips)
    cost = grid.Cost(0, 0, views=10, clip=1)

    def seconds(*read: str, ratio: float = 1.0, **hidden: tuple[int, ...]) -> tuple[float, float]:
        cell = study.cell("modalities", read, 0, ratio=ratio, hidden=hidden)
        stages = grid.trained_by_scripts(Plan.of("one", [cell], study.runs))
        return transfer.through_frozen_blocks(stages, clips, cost)

    depth, fusion = (study.epochs(stage, study.recipe_used) for stage in ("depth", "fusion"))
    n, m = len(train), len(test)
    assert seconds("imu") == (0, 0)
    assert seconds("depth") == (10 * n + m, depth * n + m)
    assert seconds("depth", "imu") == (10 * n + m, (depth + fusion) * n + 2 * m)
    assert seconds("depth", ratio=0.25)[0] - m == pytest.approx(10 * n / 4, rel=0.2)
    seen = n - int(np.isin(labels[train], (0, 1)).sum())
    assert 0 < seen < n and seconds("depth", depth=(0, 1)) == (10 * seen + m, depth * seen + m)
    assert seconds("depth", "imu", depth=(0, 1)) == (10 * seen + m, (depth + fusion) * seen + 2 * m)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning")
def test_a_long_grid_is_looked_at_by_every_step_as_a_real_one(tmp_path: Path) -> None:
    """Nothing of what is written directly is damaged to what reads it, and all of it is read."""
    runs, costs = long_grid.costs_of(tmp_path, 24, "cross-subject")
    assert runs == 24 and costs.keys() == long_grid.TARGETS.keys() and min(costs.values()) > 0
    told = json.loads((tmp_path / "reports/full_grid/results.json").read_text())["runs"]
    assert len(told) == 24 and {run["status"] for run in told.values()} == {"done"}
    found = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}").search_runs(["1"], "attributes.status = 'FINISHED'")
    assert {run.data.tags["key"] for run in found} == told.keys()


def few(manifest: Manifest, recipe: str, *read: str) -> Plan:
    """The fusion of these and its two parents, for an epoch each in batches of two."""
    stages = (*read, "fusion")
    epochs = {f"{stage}.times_epochs": "0.34" if stage in ("video", "depth") else "0.025" for stage in stages}
    given = epochs | {f"{stage}.optimization.batch": "2" for stage in stages}
    study = Study(manifest, "demo", recipe, "odd-even", read, set=given | {"fusion.times_epochs": "0.25"})
    return Plan.of("few", [study.cell("modalities", read, 0)], study.runs)


def test_the_plain_script_reads_videos_in_each_epoch(manifest: Manifest) -> None:
    specs = list(few(manifest, "paper", "imu", "video").runs.values())
    assert [spec.optimization.epochs for spec in specs] == [1, 1, 1]
    found = plain.main(manifest, specs, {})
    assert all(set(found[stage]) == {"epochs", "rest"} for stage in ("imu", "video", "fusion"))
    assert all(seconds > 0 for of in found.values() for seconds in of.values())


def test_the_plain_script_computes_frozen_blocks_once(tmp_path: Path, weights: Path) -> None:
    """What it keeps gives the logits that the recordings give, in either stage; a view differs from its clip."""
    folder = synthetic.write(tmp_path / "recordings", subjects=2, trials=1, actions=2, modalities=("imu", "depth"))
    manifest = corpora.read("synthetic", folder, tmp_path / "scans", ("depth", "imu"))
    specs = few(manifest, "transfer", "depth", "imu").runs.values()
    found = plain.main(manifest, list(specs), {"depth": str(weights)})
    assert {stage for stage, of in found.items() if "train" in of and "test" in of} == {"depth"} < set(found)
    models = {}
    kept: plain.Kept = {}
    for spec in specs:
        model = build(spec.network, 2, 0, {role: models[role] for role in spec.parents}).eval()
        models[spec.stage] = model
        if spec.stage == "depth":
            model.encoder("depth").load_weights(pretrained.read(weights))
            made, _ = plain.frozen(model, plain.Views(manifest, [0, 1], spec, {}, vary=True))
            own, *views = made[0]
            assert len(views) == 3 and not torch.equal(own["depth_frozen"], views[0]["depth_frozen"])
            kept = {"depth": made}
        if spec.stage == "fusion":
            kept = {"depth": plain.onward(model, "depth", kept["depth"])}
        if "depth" in spec.modalities:
            stored, read = (plain.Clips(manifest, [0, 1], spec, of, vary=False) for of in (kept, {}))
            assert not {"depth"} & stored[0].keys() and "depth" in read[0]
            with torch.no_grad():
                a, b = (model.logits(torch.utils.data.default_collate([each[0], each[1]])) for each in (stored, read))
            assert a.std() > 0.01 and torch.allclose(a, b, atol=1e-3)


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


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of I3D, seeded."""
    kernels = json.loads((ROOT / "tests/models/i3d.json").read_text())["kernels"]
    file = tmp_path_factory.mktemp("weights") / "own.ckpt"
    file.write_bytes(pickle.dumps(i3d_reference.weights(kernels)))
    return file


@pytest.mark.long
def test_every_benchmark_on_the_synthetic_corpus(grid_recordings: Path, tmp_path: Path) -> None:
    rows = measured("--recordings", str(grid_recordings), "--json", str(tmp_path / "rows.json"))
    assert {row["name"] for row in rows} == set(NAMES)


@pytest.mark.long
def test_the_plain_script_trains_and_tests_each_stage(grid_recordings: Path, tmp_path: Path) -> None:
    place = Place(grid_recordings, tmp_path, scale="demo")
    assert set(grid.scripts(place, grid.EPOCHS)) == {"imu", "video", "fusion"}


@pytest.mark.long
def test_the_grid_with_transfer(weights: Path, tmp_path: Path) -> None:
    folder = synthetic.write(tmp_path / "recordings", subjects=4, trials=2, actions=6, modalities=("imu", "depth"))
    place = Place(folder, tmp_path / "out", scale="demo", weights=(f"i3d={weights}",))
    kept, anew = transfer.measure(place)
    assert kept.ours == anew.ours > 0 and kept.target == 3 and anew.target is None
    assert kept.against and anew.against and anew.against > kept.against > 0

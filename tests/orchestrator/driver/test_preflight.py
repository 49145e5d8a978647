"""The table before the start: what runs take, what there is, and a disk that is too small."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from datasets.manifest import Manifest
from experiments import modality_comparison, modality_subsets
from models.build import build
from models.spec import NetworkSpec
from orchestrator.cluster import placement
from orchestrator.driver import preflight
from orchestrator.plan.plan import Plan
from orchestrator.plan.recipes import RECIPES
from orchestrator.plan.study import Study
from orchestrator.storage.store import Store
from orchestrator.tracking.address import Address
from orchestrator.worker.cards import Card
from tests.support.recordings.skeletons import with_skeletons
from tests.support.runs import specs
from tests.support.runs.specs import STAGES

MLFLOW = Address("http://mlflow:5000", "MLFLOW_TRACKING_URI").described
CPU_NODE, GPU_NODE = {"CPU": 2.0}, {"CPU": 32.0, "GPU": 1.0}


def plan_of(manifest: Manifest, scale: str, gpus: dict[str, float] | None = None, **workers: int) -> tuple[Plan, Study]:
    study = Study(manifest, scale, "paper", workers=workers, given_gpus=gpus or {})
    return Plan.of("modality_comparison", modality_comparison.cells(study, 0), study.runs), study


def shown(plan: Plan, study: Study, store: Store, nodes: list, concurrency: int | None = None) -> str:
    out = io.StringIO()
    Console(file=out, width=200).print(preflight.table(plan, study, store, nodes, concurrency, MLFLOW))
    return out.getvalue()


def test_it_says_what_there_is_and_what_is_taken(manifest: Manifest, tmp_path: Path):
    plan, study = plan_of(manifest, "laptop")
    store = Store(tmp_path)
    text = shown(plan, study, store, [CPU_NODE])
    # Of imu with its one thread, and of video and fusion with two.
    assert text.count("1 to do of 1; each 1 worker(s) of 0.5 CPU, and 0.5 CPU for Ray Data; 2 at once") == 3
    assert "1 node(s) with 2 CPUs and 0 GPUs" in text
    assert str(tmp_path) in text and "MLflow at http://mlflow:5000 (from MLFLOW_TRACKING_URI)" in text
    assert "shards 2 MB before compression" in text and " free" in text and "NOT BE ENOUGH" not in text
    folder = store.run(next(key for key, spec in plan.runs.items() if spec.stage == "imu"))
    folder.begin(plan.runs[folder.key])
    folder.finish(1.0)
    assert "0 to do of 1" in shown(plan, study, store, [CPU_NODE])


def test_cards_are_named_and_what_they_cannot_hold_is_said(manifest: Manifest, tmp_path: Path):
    plan, study = plan_of(manifest, "paper")
    for count, megabytes, said in ((4, 46068, False), (1, 16384, True)):
        cards = [Card("NVIDIA A40", megabytes << 20, "580.95.05")] * count
        out = io.StringIO()
        table = preflight.table(plan, study, Store(tmp_path), [GPU_NODE] * count, None, MLFLOW, found=cards)
        Console(file=out, width=400).print(table)
        assert f"{count} NVIDIA A40 of {48 if count == 4 else 17} GB, driver 580.95.05" in out.getvalue()
        assert ("--workers video 2" in out.getvalue()) == said
    assert "│ cards" not in shown(plan, study, Store(tmp_path), [GPU_NODE])


def test_a_stage_takes_what_its_largest_run_takes(manifest: Manifest, tmp_path: Path):
    study = Study(with_skeletons(manifest), "paper", "paper")
    plan = Plan.of("modality_subsets", modality_subsets.cells(study, 0), study.runs)
    text = shown(plan, study, Store(tmp_path), [GPU_NODE])
    assert "4 to do of 4; each 1 worker(s) of 3.5 CPU, 1 GPU" in text, "those that read videos take four threads"
    assert len(placement.kinds_of(plan)) == 7


@pytest.mark.parametrize(
    ("stage", "nodes", "concurrency", "count"),
    [
        ("video", [GPU_NODE] * 4, None, 4),
        ("imu", [GPU_NODE] * 4, None, 16),  # a quarter of a GPU each
        ("imu", [GPU_NODE] * 4, 3, 3),
        ("video", [GPU_NODE, CPU_NODE], None, 1),
    ],
)
def test_how_many_run_at_once(manifest: Manifest, stage: str, nodes: list, concurrency: int | None, count: int):
    plan, study = plan_of(manifest, "paper")
    spec = next(spec for spec in plan.runs.values() if spec.stage == stage)
    assert placement.at_once(spec, study.gpus, nodes, concurrency) == count


@pytest.mark.parametrize(
    ("scale", "gpus", "nodes", "words"),
    [
        ("demo", {}, [CPU_NODE], None),
        (
            "demo",
            {},
            [GPU_NODE],
            "imu and video and fusion runs take none of the 1 GPU(s); with --gpus imu 0.25 video 1",
        ),
        (
            "laptop",
            {"video": 1.0, "fusion": 0.5},
            [GPU_NODE] * 2,
            "imu runs take none of the 2 GPU(s); with --gpus imu",
        ),
        ("paper", {}, [GPU_NODE], None),
        ("paper", {}, [GPU_NODE] * 2, None),
        # One video, one fusion, and an IMU run that takes a quarter.
        ("paper", {}, [GPU_NODE] * 4, "1 of 4 GPUs, for lack of runs or CPUs"),
        ("paper", {}, [{"CPU": 4.0, "GPU": 8.0}], "5 of 8 GPUs, for lack of runs or CPUs"),
    ],
)
def test_gpus_that_stay_idle_are_said_with_the_flag_that_uses_them(
    manifest: Manifest, tmp_path: Path, scale: str, gpus: dict, nodes: list, words: str | None
):
    plan, study = plan_of(manifest, scale, gpus)
    text = shown(plan, study, Store(tmp_path), nodes)
    assert words in text if words else "│ idle" not in text
    for folder in map(Store(tmp_path).run, plan.runs):
        folder.begin(plan.runs[folder.key])
        folder.finish(1.0)
    assert "│ idle" not in shown(plan, study, Store(tmp_path), nodes)  # nothing is left to run


def test_the_variable_that_may_hide_gpus_is_named(manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    plan, study = plan_of(manifest, "demo")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert "CUDA" not in shown(plan, study, Store(tmp_path), [CPU_NODE])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "2 CPUs and 0 GPUs (CUDA_VISIBLE_DEVICES='' may hide others)" in shown(
        plan, study, Store(tmp_path), [CPU_NODE]
    )


def test_gpus_given_change_where_runs_lie_and_no_key(manifest: Manifest):
    plan, study = plan_of(manifest, "paper")
    given, shared = plan_of(manifest, "paper", gpus={"video": 0.5})
    assert given.runs.keys() == plan.runs.keys() and study.gpus["video"] == 1
    assert shared.gpus == {"imu": 0.25, "video": 0.5, "fusion": 1}
    counts = [
        placement.at_once(spec, shared.gpus, [GPU_NODE] * 4, None)
        for spec in given.runs.values()
        if spec.stage != "imu"
    ]
    assert counts == [8, 4]


def test_runs_of_several_workers_share_the_nodes(manifest: Manifest):
    plan, study = plan_of(manifest, "paper", video=3)
    spec = next(spec for spec in plan.runs.values() if spec.stage == "video")
    assert placement.at_once(spec, study.gpus, [GPU_NODE] * 7, None) == 2


def test_a_disk_that_cannot_hold_the_weights_is_refused(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    plan, study = plan_of(manifest, "laptop")
    free = 10 << 20
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda _: type("Usage", (), {"free": free}))
    with pytest.raises(ValueError, match=r"--storage .*: 10 MB are free and the weights of 3 runs take 189 MB"):
        shown(plan, study, Store(tmp_path / "new" / "one"), [CPU_NODE])
    free = 181 << 20
    assert "THAT MAY NOT BE ENOUGH" in shown(plan, study, Store(tmp_path), [CPU_NODE])


@pytest.mark.parametrize("recipe", RECIPES)
def test_weights_take_no_more_than_is_reckoned_with(recipe: str):
    how = RECIPES[recipe]
    for stage, read in STAGES.items():
        network = NetworkSpec({m: how.encoder(m) for m in read}, how.stage(stage).head.of(read))
        spec = specs.run(*read, network=network)
        size = sum(value.nbytes for value in build(network, 37, seed=0).state_dict().values())
        assert 0.2 * preflight.run_bytes(spec) < size < preflight.run_bytes(spec)

"""Replays of plans: known makespans, the critical path, a barrier, and where durations come from."""

from pathlib import Path

import pytest

from experiments import full_grid, modality_subsets
from orchestrator.plan import simulation
from orchestrator.plan.plan import Plan
from orchestrator.plan.schedule import Need
from orchestrator.plan.spec import RunSpec
from orchestrator.plan.study import Study
from orchestrator.storage.store import Store
from tests.support.recordings.skeletons import with_skeletons
from tests.support.runs import specs
from tests.support.runs.plans import manifest


def chain(seed: int) -> dict[str, RunSpec]:
    """An imu, a video and the fusion of both."""
    imu, video = specs.run("imu", seed=seed), specs.run("video", seed=seed)
    fusion = specs.run("imu", "video", seed=seed, parents={"imu": imu.key, "video": video.key})
    return {spec.key: spec for spec in (imu, video, fusion)}


def seconds(plan: Plan) -> dict[str, float]:
    return {key: {"imu": 1.0, "video": 10.0, "fusion": 5.0}[spec.stage] for key, spec in plan.runs.items()}


def test_makespans_of_a_plan_one_can_reckon() -> None:
    plan = Plan("two", (), chain(0) | chain(1))
    needs = dict.fromkeys(plan.runs, Need(1.0, 1.0))
    alone, two, many = (simulation.replay(plan, needs, seconds(plan), 16, gpus) for gpus in (1, 2, 8))
    assert (alone.makespan, alone.busy, alone.critical) == (32.0, 1.0, 15.0)
    # Seed 0 first: its imu and then seed 1's video keep the second GPU until 11; 1's imu comes before its fusion.
    assert two.makespan == 17.0 and two.busy == pytest.approx(32 / (2 * 17))
    assert (many.makespan, many.critical, many.barrier) == (15.0, 15.0, 15.0)
    assert many.busy == pytest.approx(32 / (8 * 15))


def test_a_barrier_waits_for_the_slowest_of_all() -> None:
    plan = Plan("two", (), chain(0) | chain(1))
    needs = dict.fromkeys(plan.runs, Need(1.0, 1.0))
    slow = seconds(plan) | {next(key for key, spec in plan.runs.items() if spec.stage == "video"): 30.0}
    found = simulation.replay(plan, needs, slow, 16, 8)
    assert (found.makespan, found.barrier) == (35.0, 35.0)
    long = slow | {[key for key, spec in plan.runs.items() if spec.stage == "fusion"][1]: 20.0}
    found = simulation.replay(plan, needs, long, 16, 8)
    assert (found.makespan, found.barrier) == (35.0, 50.0), "the other chain's long fusion needn't wait"


def test_what_never_fits_is_said() -> None:
    plan = Plan("one", (), chain(0))
    needs = dict.fromkeys(plan.runs, Need(1.0, 4.0))
    with pytest.raises(ValueError, match=r"--simulate: imu seed=0 takes 1 CPUs and 4 GPUs"):
        simulation.replay(plan, needs, seconds(plan), 16, 2)
    assert simulation.table(plan, seconds(plan), needs, 64, 4).row_count == 1
    with pytest.raises(ValueError, match="hold not even one"):
        simulation.table(plan, seconds(plan), needs, 16, 1)


def test_durations_are_what_runs_took_and_else_their_stages_rate(tmp_path: Path) -> None:
    plan, store = Plan("two", (), chain(0) | chain(1)), Store(tmp_path)
    imu = [key for key, spec in plan.runs.items() if spec.stage == "imu"]
    store.run(imu[0]).begin(plan.runs[imu[0]])
    store.run(imu[0]).finish(42.0)
    found, words = simulation.durations(plan, store.seconds(plan.runs), clips=100)
    assert found[imu[0]] == 42.0 == pytest.approx(found[imu[1]])
    assert "imu runs: measured, 1 of 2 done" in words and "video runs: estimated for A40s, never measured" in words


def test_durations_of_one_stage_are_apart_by_what_it_reads(tmp_path: Path) -> None:
    """What a fusion with video took says nothing of one without."""
    study, store = Study(with_skeletons(manifest()), "demo", "paper"), Store(tmp_path)
    plan = Plan.of("subsets", modality_subsets.cells(study, 0), study.runs)
    [done] = [key for key, spec in plan.runs.items() if spec.kind == "fusion imu+video"]
    store.run(done).begin(plan.runs[done])
    store.run(done).finish(1e6)
    found, words = simulation.durations(plan, store.seconds(plan.runs), clips=100)
    assert [seconds for seconds in found.values() if seconds > 1e5] == [1e6]
    assert "fusion imu+video runs: measured, 1 of 1 done" in words and "fusion imu+skeleton runs: estimated" in words


def test_a_wide_plan_keeps_every_gpu_busy() -> None:
    study = Study(manifest(), "paper", "paper")
    plan = Plan.of("wide", [c for seed in range(20) for c in full_grid.cells(study, seed)], study.runs)
    needs = dict.fromkeys(plan.runs, Need(1.0, 1.0))
    found = simulation.replay(plan, needs, dict.fromkeys(plan.runs, 1.0), 1000, 64)
    assert len(plan.runs) == 480 and 480 / 64 <= found.makespan <= 480 / 64 + 2


@pytest.mark.parametrize("words", ["", "64", "gpus=", "gpus=0", "gpus=4;cpus=2", "tpus=4"])
def test_other_words_are_refused(words: str) -> None:
    with pytest.raises(ValueError, match=r"give gpus=N"):
        simulation.parse(words)


def test_words() -> None:
    assert simulation.parse("gpus=64") == (1024.0, 64.0) and simulation.parse("cpus=8") == (8.0, 0.0)
    assert simulation.parse("gpus=4,cpus=32") == (32.0, 4.0)

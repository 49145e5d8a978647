"""What a run takes of a cluster, and what is said when nothing will ever have it."""

from dataclasses import replace
from itertools import pairwise

import pytest

from orchestrator.cluster.placement import HEAD, check_placeable, need, trial_resources, worker_resources
from orchestrator.plan.plan import Plan
from orchestrator.plan.recipes import SCALES
from orchestrator.plan.schedule import Need
from orchestrator.plan.spec import RunSpec
from tests.support.runs import specs
from tests.support.runs.specs import STAGES, gpus_of

PAPER = gpus_of("paper")
CPU_NODE, GPU_NODE = {"CPU": 64.0, "memory": 1e11}, {"CPU": 32.0, "GPU": 1.0}


def spec(scale: str, stage: str, workers: int = 1, threads: int | None = None) -> RunSpec:
    """With the scale's own threads, where they aren't given."""
    return specs.run(*STAGES[stage], workers=workers, threads=threads or SCALES[scale].threads_of(STAGES[stage]))


def plan(scale: str, stages: tuple[str, ...] = tuple(STAGES), **given: int) -> Plan:
    runs = [spec(scale, stage, **given) for stage in stages]
    return Plan("made up", (), {run.key: run for run in runs})


@pytest.mark.parametrize(
    ("scale", "stage", "cpus", "gpus"),
    [("laptop", "imu", 1, 0), ("laptop", "fusion", 1, 0), ("paper", "imu", 1, 0.25), ("paper", "video", 4, 1)],
)
def test_a_run_takes_a_cpu_per_thread_beside_a_gpu_and_half_as_many_without(
    scale: str, stage: str, cpus: int, gpus: float
) -> None:
    run = spec(scale, stage)
    assert run.threads == {"imu": 1, "video": 4, "fusion": 2}[stage]
    assert need(run, gpus_of(scale)) == Need(cpus, gpus)
    assert ("GPU" in worker_resources(run, gpus_of(scale))) == bool(gpus)
    # Half a CPU goes to Ray Data's tasks once, however many workers there are.
    per_worker = [need(replace(run, workers=n), gpus_of(scale)) for n in (1, 2, 3)]
    assert [(b.cpus - a.cpus, b.gpus - a.gpus) for a, b in pairwise(per_worker)] == [(cpus - 0.5, gpus)] * 2


@pytest.mark.parametrize("scale", ["demo", "laptop"])
def test_two_cpus_are_enough_for_a_laptop(scale: str) -> None:
    check_placeable(plan(scale), gpus_of(scale), [{"CPU": 2.0, "node:10.0.0.1": 1.0}])


def test_paper_scale_fits_a_gpu_node() -> None:
    check_placeable(plan("paper"), PAPER, [CPU_NODE, GPU_NODE])
    check_placeable(plan("paper", workers=4), PAPER, [GPU_NODE] * 4)


def test_paper_scale_is_refused_where_no_node_has_a_gpu() -> None:
    with pytest.raises(ValueError, match="can never be placed") as refused:
        check_placeable(plan("paper", ("video", "imu"), workers=1, threads=4), PAPER, [CPU_NODE, CPU_NODE])
    words = str(refused.value)
    assert "a video run can never" in words and "--gpus video 0.5" in words
    assert "1 worker(s) of {'CPU': 3.5, 'GPU': 1}" in words
    assert "2 node(s) with 128 CPUs and 0 GPUs" in words


def test_a_refusal_names_what_hides_gpus_from_a_ray_started_here(monkeypatch: pytest.MonkeyPatch) -> None:
    for value, here, words in (("", True, "''"), ("-1", True, "'-1'"), ("", False, None), (None, True, None)):
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if value is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
        with pytest.raises(ValueError, match="a video run can never") as refused:
            check_placeable(plan("paper", ("video",)), PAPER, [CPU_NODE], here)
        found = f"CUDA_VISIBLE_DEVICES={words} may hide GPUs of this machine: unset it" in str(refused.value)
        assert found if words else "CUDA" not in str(refused.value)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(ValueError, match="a video run") as refused:  # no GPU is what it lacks
        check_placeable(plan("laptop", ("video",)), gpus_of("laptop"), [{"CPU": 0.5}])
    assert "CUDA" not in str(refused.value)


@pytest.mark.parametrize(
    ("scale", "stage", "workers", "nodes"),
    [
        ("laptop", "video", 1, [{"CPU": 1.0}] * 8),  # a worker lies on one node
        ("laptop", "fusion", 1, [{"CPU": 1.75}]),  # the worker fits, its data tasks don't
        ("laptop", "video", 3, [{"CPU": 3.0}, {"CPU": 1.0}]),  # room for two of three
        ("paper", "fusion", 2, [GPU_NODE, CPU_NODE]),
        ("paper", "imu", 1, []),
    ],
)
def test_what_can_never_be_placed_is_refused(scale: str, stage: str, workers: int, nodes: list) -> None:
    with pytest.raises(ValueError, match=f"a {stage} run can never .* {workers} worker"):
        check_placeable(plan(scale, (stage,), workers=workers, threads=4), gpus_of(scale), nodes)


def test_only_stages_in_the_plan_are_asked_for() -> None:
    imu, video = plan("laptop", ("imu",), threads=1), plan("laptop", ("video",), threads=4)
    check_placeable(imu, gpus_of("laptop"), [{"CPU": 1.0}])
    with pytest.raises(ValueError, match="a video run"):
        check_placeable(Plan("both", (), {**imu.runs, **video.runs}), gpus_of("laptop"), [{"CPU": 1.0}])


def test_a_worker_takes_the_share_of_a_gpu_it_is_given() -> None:
    shared = PAPER | {"video": 0.5, "imu": 0.0}
    assert worker_resources(spec("paper", "video"), shared) == {"CPU": 3.5, "GPU": 0.5}
    assert need(spec("paper", "imu"), shared).gpus == 0 and need(spec("paper", "fusion"), shared).gpus == 1
    half = {"CPU": 8.0, "GPU": 0.5}
    check_placeable(plan("paper", ("video",)), shared, [half])
    with pytest.raises(ValueError, match="a video run can never"):
        check_placeable(plan("paper", ("video",)), PAPER, [half])


def test_trials_leave_a_head_that_is_too_small_for_them() -> None:
    head, node = {HEAD: 1.0, "memory": 32e9}, {"memory": 200e9}
    assert trial_resources(25, [node, head]) == {HEAD: 0.001}
    assert set(trial_resources(64, [node, head])) == {"memory"}

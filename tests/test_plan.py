"""The grid as a plan: each distinct run once, from a made-up manifest of 27 classes and 8 subjects."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from datasets.manifest import SCHEMA, Manifest
from experiments import full_grid, modality_comparison, training_ratio, zero_shot
from orchestrator import scale
from orchestrator.plan import Plan
from orchestrator.spec import RunSpec
from orchestrator.study import Study


def manifest(classes: int = 27, subjects: int = 8) -> Manifest:
    """Two trials of each, but one of every fifth class."""
    trials = [
        (label, subject, trial)
        for label in range(classes)
        for subject in range(1, subjects + 1)
        for trial in range(1, 2 + (label % 5 > 0))
    ]
    rows = [
        {"clip": f"a{k + 1}_s{s}_t{t}", "subject": s, "trial": t, "label": k, "video": "v", "imu": "i"}
        | {"frames": 40, "samples": 150 + k, "content": f"{k}-{s}-{t}"}
        for k, s, t in trials
    ]
    names = tuple(f"class {k}" for k in range(classes))
    return Manifest("made up", "RGB", "utd-mhad", names, pa.Table.from_pylist(rows, schema=SCHEMA), Path("/nowhere"))


def grid(seeds: int = 1, only: tuple[str, ...] = (), scale: str = "demo", experiment=full_grid) -> Plan:
    study = Study(manifest(), scale, "paper")
    return Plan.of("grid", [c for seed in range(seeds) for c in experiment.cells(study, seed)], study.runs, only)


def kinds(plan: Plan) -> dict[str, int]:
    found = [spec.kind for spec in plan.runs.values()]
    return {kind: found.count(kind) for kind in found}


@pytest.fixture(scope="module")
def plan() -> Plan:
    return grid()


def test_one_seed_is_27_cells_behind_24_runs(plan: Plan) -> None:
    experiments = [cell.experiment for cell in plan.cells]
    assert {name: experiments.count(name) for name in experiments} == {"modalities": 3, "ratio": 12, "zero_shot": 12}
    assert kinds(plan) == {"imu": 7, "video": 7, "fusion": 10}
    assert plan.stages_without_sharing() == 44
    assert {cell.key for cell in plan.cells} == set(plan.runs)
    assert all(spec.key == key for key, spec in plan.runs.items())


def test_three_seeds_share_nothing() -> None:
    plan = grid(seeds=3)
    assert (len(plan.cells), len(plan.runs), plan.stages_without_sharing()) == (81, 72, 132)
    for seed in range(3):
        assert {cell.seed for cell in plan.cells if plan.runs[cell.key].seed == seed} == {seed}
    for key, spec in plan.runs.items():
        assert {plan.runs[parent].seed for parent in plan.parents(key)} <= {spec.seed}


def test_parents_come_before_children(plan: Plan) -> None:
    order = list(plan.runs)
    for key, spec in plan.runs.items():
        assert all(order.index(parent) < order.index(key) for parent in plan.parents(key))
        assert [(m, plan.runs[p].kind) for m, p in spec.parents] == (
            [("imu", "imu"), ("video", "video")] if spec.kind == "fusion" else []
        )
        assert all(key in plan.children()[parent] for parent in plan.parents(key))
    assert sum(len(children) for children in plan.children().values()) == 20


def test_all_of_the_training_data_is_table_2(plan: Plan) -> None:
    table2 = {cell.model: cell.key for cell in plan.cells if cell.experiment == "modalities"}
    figure2 = {cell.model: cell.key for cell in plan.cells if (cell.experiment, cell.ratio) == ("ratio", 1.0)}
    assert table2 == figure2 and len(set(table2.values())) == 3


def test_a_ratio_is_the_parents_too(plan: Plan) -> None:
    cells = [cell for cell in plan.cells if cell.experiment == "ratio" and cell.model == "fusion"]
    assert sorted(cell.ratio for cell in cells) == [0.25, 0.5, 0.75, 1.0]
    for cell in cells:
        assert {plan.runs[p].data.ratio for p in (cell.key, *plan.parents(cell.key))} == {cell.ratio}


def test_a_starred_modality_meets_the_whole_other(plan: Plan) -> None:
    whole = {cell.model: cell.key for cell in plan.cells if cell.experiment == "modalities"}
    starred = {(c.model, c.hidden_imu, c.hidden_video): c.key for c in plan.cells if c.experiment == "zero_shot"}
    assert len(starred) == 12
    draws = {hidden for _, *both in starred for hidden in both if hidden}
    assert sorted(len(hidden) for hidden in draws) == [1, 3, 5]
    for hidden in draws:
        imu, video = starred["imu", hidden, ()], starred["video", (), hidden]
        assert plan.parents(starred["fusion", hidden, ()]) == (imu, whole["video"])
        assert plan.parents(starred["fusion", (), hidden]) == (whole["imu"], video)
        assert plan.runs[imu].data.hidden_imu == plan.runs[starred["fusion", hidden, ()]].data.hidden_imu == hidden
        assert plan.runs[imu].data.hidden_video == plan.runs[video].data.hidden_imu == ()


def test_hidden_classes_are_nested_and_differ_by_seed() -> None:
    study = Study(manifest(), "demo", "paper")
    draws = {seed: [set(study.hidden(count, seed)) for count in zero_shot.HIDDEN] for seed in range(5)}
    for one, three, five in draws.values():
        assert one < three < five and (len(one), len(three), len(five)) == (1, 3, 5)
    assert len({tuple(sorted(five)) for _, _, five in draws.values()}) == 5
    assert study.hidden(5, 0) == Study(manifest(), "laptop", "paper").hidden(5, 0)
    with pytest.raises(ValueError, match="27 classes"):
        study.hidden(27, 0)


@pytest.mark.parametrize(
    ("only", "cells", "runs"),
    [
        ((), 27, {"imu": 7, "video": 7, "fusion": 10}),
        (("modalities",), 3, {"imu": 1, "video": 1, "fusion": 1}),
        (("ratio",), 12, {"imu": 4, "video": 4, "fusion": 4}),
        (("modalities", "zero_shot"), 15, {"imu": 4, "video": 4, "fusion": 7}),
        (("imu",), 8, {"imu": 7}),
        (("imu", "video"), 16, {"imu": 7, "video": 7}),
        (("fusion",), 11, {"imu": 7, "video": 7, "fusion": 10}),
        (("zero_shot", "fusion"), 6, {"imu": 4, "video": 4, "fusion": 6}),
        (("ratio", "video", "imu"), 8, {"imu": 4, "video": 4}),
    ],
)
def test_only_takes_cells_and_what_they_stand_on(only: tuple[str, ...], cells: int, runs: dict[str, int]) -> None:
    plan = grid(only=only)
    assert (len(plan.cells), kinds(plan)) == (cells, runs)


@pytest.mark.parametrize("only", [("nonsense",), ("imu", "Ratio")])
def test_only_refuses_unknown_words(only: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=f"{only[-1]}.*modalities.*fusion"):
        grid(only=only)


@pytest.mark.parametrize(("experiment", "cells"), [(modality_comparison, 3), (training_ratio, 12), (zero_shot, 12)])
def test_smaller_experiments_are_parts_of_the_grid(plan: Plan, experiment, cells: int) -> None:
    part = grid(experiment=experiment)
    assert len(part.cells) == cells and set(part.cells) < set(plan.cells)
    assert all(plan.runs[key] == spec for key, spec in part.runs.items())


def test_what_is_not_read_decides_nothing(monkeypatch: pytest.MonkeyPatch, plan: Plan) -> None:
    monkeypatch.setitem(scale.SCALES, "larger", replace(scale.SCALES["demo"], frames=9, size=48))
    larger = grid(scale="larger")
    assert kinds(larger) == kinds(plan)

    def keys(plan: Plan, kind: str) -> set[str]:
        return {key for key, spec in plan.runs.items() if spec.kind == kind}

    assert keys(larger, "imu") == keys(plan, "imu")
    assert not keys(larger, "video") & keys(plan, "video") and not keys(larger, "fusion") & keys(plan, "fusion")


def test_weights_of_ones_own_go_to_the_video_runs() -> None:
    def cells(weights: str | None) -> dict[str, RunSpec]:
        study = Study(manifest(), "paper", "paper", weights=weights)
        return {cell.model: study.runs[cell.key] for cell in modality_comparison.cells(study, 0)}

    ours, theirs = cells("sha256:00"), cells(None)
    assert (getattr(ours["video"].model, "weights", ""), ours["imu"].key) == ("sha256:00", theirs["imu"].key)
    assert ours["video"].key != theirs["video"].key and ours["fusion"].key != theirs["fusion"].key

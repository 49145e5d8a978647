"""The grid as a plan: each distinct run once, from a made-up manifest of 27 classes and 8 subjects."""

import re
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pytest

from datasets.manifest import SCHEMA, Manifest
from experiments import full_grid, fusion_comparison, modality_comparison, stage_ablation, training_ratio, zero_shot
from models.spec import FusionModel, ImuModel
from orchestrator.driver.prepare import make_plan
from orchestrator.plan import overrides, scale
from orchestrator.plan.options import Options
from orchestrator.plan.plan import Plan
from orchestrator.plan.recipe import RECIPES
from orchestrator.plan.spec import RunSpec
from orchestrator.plan.study import Study
from orchestrator.report import results


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


def grid(
    seeds: int = 1, only: tuple[str, ...] = (), scale: str = "demo", experiment=full_grid, recipe: str = "paper"
) -> Plan:
    study = Study(manifest(), scale, recipe)
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


def test_the_stage_ablation_shares_stage_1(plan: Plan) -> None:
    ablation = grid(experiment=stage_ablation)
    by = {cell.variant: ablation.runs[cell.key] for cell in ablation.cells}
    assert list(by) == ["one-stage", "frozen", "", "all"] and kinds(ablation) == {"imu": 1, "video": 1, "fusion": 4}
    [paper] = [cell.key for cell in plan.cells if cell.experiment == "modalities" and cell.model == "fusion"]
    assert by[""].key == paper and len({spec.key for spec in by.values()}) == 4
    assert by["frozen"].parents == by["all"].parents == by[""].parents and by["one-stage"].parents == ()
    stage1 = {m: ablation.runs[key] for m, key in by[""].parents}
    one = by["one-stage"]
    assert isinstance(one.model, FusionModel)
    assert (one.model.imu, one.model.video) == (stage1["imu"].model, stage1["video"].model)
    assert one.optimization.epochs == stage1["video"].optimization.epochs + by[""].optimization.epochs
    assert one.optimization.lr == stage1["video"].optimization.lr


def test_ways_to_fuse_share_stage_1_and_differ_in_one_thing_each() -> None:
    comparison = grid(experiment=fusion_comparison)
    by = {cell.variant: comparison.runs[cell.key] for cell in comparison.cells if cell.model == "fusion"}
    assert kinds(comparison) == {"imu": 1, "video": 1, "fusion": 4}
    assert len({spec.parents for spec in by.values()}) == 1
    assert by["attention"].model == by["attention-dropout"].model != by["concatenation"].model == by["dropout"].model
    assert by["dropout"].augmentation.missing == by["attention-dropout"].augmentation.missing > 0
    assert by["concatenation"].augmentation.missing == by["attention"].augmentation.missing == 0
    assert by[""] == by["concatenation"]  # of recipe paper; tuned has modality dropout
    names = {spec.name for spec in by.values()}
    assert len(names) == 4 and "fusion attention modality-dropout seed=0" in names


@pytest.mark.parametrize(
    ("recipe", "changed", "said"),
    [
        ("paper", {"video.augmentation.video": 0.3}, "video.augmentation.video 0.3 changes nothing where shards hold"),
        ("paper", {"imu.augmentation.warp": 0.3}, "imu.augmentation.warp 0.3 changes nothing where signals aren't"),
        ("paper", {"fusion.augmentation.crop": 0.1}, "fusion.augmentation.crop 0.1 changes nothing where signals"),
        ("tuned", {"spare_frames": 1, "spare_size": 1}, "video.augmentation.video 0.3 changes nothing where shards"),
        ("tuned", {"imu.augmentation.missing": 0.3}, "imu.augmentation.missing 0.3 changes nothing of imu runs"),
        ("tuned", {"video.augmentation.noise": 0.3}, "video.augmentation.noise 0.3 changes nothing of video runs"),
        ("tuned", {"spare_frames": 1}, None),
        ("paper", {"video.augmentation.video": 0.3, "spare_size": 1.125}, None),
        ("paper", {"imu.augmentation.warp": 0.3, "resampled": 96, "fusion.augmentation.missing": 0.2}, None),
    ],
)
def test_an_augmentation_that_would_change_nothing_is_refused(recipe: str, changed: dict, said: str | None) -> None:
    study = Study(manifest(), "laptop", recipe, set=changed)
    if said is None:
        make_plan("full_grid", full_grid.cells, study, Options())
        return
    with pytest.raises(ValueError, match=f"^{re.escape(said)}"):
        make_plan("full_grid", full_grid.cells, study, Options())
    kind = said.partition(".")[0]
    for other in {"imu", "video"} - {kind}:  # what isn't asked for isn't refused
        assert make_plan("full_grid", full_grid.cells, replace(study, runs={}), Options(only=(other,))).runs


def test_what_is_set_by_hand_is_said_beside_every_score() -> None:
    by_hand = results.selection(Study(manifest(), "laptop", "paper", set={"imu.optimization.lr": 1e-3}))
    assert by_hand == "last epoch; changed by --set: whether by a look at test scores, only who set it knows"
    both = results.selection(Study(manifest(), "laptop", "tuned", "even-odd", set={"imu.optimization.lr": 1e-3}))
    assert "NOT CLEAN" in both and both.endswith("only who set it knows")
    assert results.selection(Study(manifest(), "laptop", "paper")) == "last epoch, no selection"


def test_keys_move_for_what_a_change_of_the_code_touched_alone() -> None:
    def codes(recipe: str, experiment: ModuleType) -> dict[str, set[int]]:
        found: dict[str, set[int]] = {}
        for cell in (plan := grid(recipe=recipe, experiment=experiment)).cells:
            found.setdefault(cell.variant or cell.experiment, set()).add(plan.runs[cell.key].code)
        return found

    assert codes("paper", full_grid) == {"modalities": {1}, "ratio": {1}, "zero_shot": {1}}
    of_fusions = {"concatenation": {1}, "attention": {2}, "dropout": {1}, "attention-dropout": {2}, "modalities": {1}}
    assert codes("tuned", fusion_comparison).items() >= of_fusions.items()
    assert codes("tuned", full_grid)["zero_shot"] == {1, 2}, "modality dropout took what hidden classes had left"


def test_a_setting_changes_what_it_names_and_nothing_else() -> None:
    tuned = RECIPES["tuned"]
    changed = overrides.apply(
        tuned, {"imu.optimization.lr": 0.5, "imu.model.width": 8, "imu.augmentation.noise": 0.7, "resampled": 96}
    )
    imu = changed.models["imu"]
    assert isinstance(imu, ImuModel) and imu.filters == (8, 16, 24) and changed.resampled == 96
    assert (changed.optimization["imu"].lr, changed.augmentation["imu"].noise) == (0.5, 0.7)
    assert (
        changed.optimization["video"] == tuned.optimization["video"]
        and changed.models["video"] == tuned.models["video"]
    )
    assert tuned.resampled == 128 and tuned.optimization["imu"].lr != 0.5
    for wrong in ({"imu.model.colour": 1}, {"colour": 1}, {"imu": 1}, {"imu.optimization.lr": -1}, {"crop": "nose"}):
        with pytest.raises(ValueError, match=f"--set {next(iter(wrong))} "):
            overrides.apply(tuned, wrong)
    with pytest.raises(ValueError, match=r"^--set crop nose: crop: Input should be 'frame' or 'motion'$"):
        overrides.apply(tuned, {"crop": "nose"})
    assert [overrides.parse(word) for word in ("1e-3", "motion", "[1, 2]", 0.5)] == [1e-3, "motion", [1, 2], 0.5]

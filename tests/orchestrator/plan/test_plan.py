"""The grid as a plan: each distinct run once, from a made-up manifest of 27 classes and 8 subjects."""

from dataclasses import replace

import pytest

from experiments import full_grid, fusion_comparison, modality_comparison, stage_ablation, training_ratio, zero_shot
from orchestrator.plan import recipes
from orchestrator.plan.plan import Plan
from orchestrator.plan.spec import RunSpec
from orchestrator.plan.study import Outline, Study
from tests.support.recordings.skeletons import with_skeletons
from tests.support.runs.plans import manifest


def grid(
    seeds: int = 1, only: tuple[str, ...] = (), scale: str = "demo", experiment=full_grid, recipe: str = "paper"
) -> Plan:
    study = Study(manifest(), scale, recipe)
    return Plan.of("grid", [c for seed in range(seeds) for c in experiment.cells(study, seed)], study.runs, only)


def kinds(plan: Plan) -> dict[str, int]:
    return {stage: len(specs) for stage, specs in plan.stages.items()}


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


def test_table_2_alone_has_rows_of_what_it_is_about_besides(plan: Plan) -> None:
    study = Study(with_skeletons(manifest()), "demo", "paper", modalities=("imu", "video"), also=("skeleton",))
    besides = Plan.of("grid", full_grid.cells(study, 0), study.runs)
    assert kinds(besides) == {"imu": 7, "video": 7, "fusion": 11, "skeleton": 1}
    more = [cell for cell in besides.cells if "skeleton" in cell.modalities]
    assert [(cell.experiment, cell.modalities) for cell in more] == [
        ("modalities", ("skeleton",)),
        ("modalities", ("imu", "skeleton", "video")),
    ]
    assert len(besides.cells) == len(plan.cells) + 2


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
        assert {m: plan.runs[p].stage for m, p in spec.parents.items()} == (
            {"imu": "imu", "video": "video"} if spec.stage == "fusion" else {}
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
    cells = [cell for cell in plan.cells if cell.experiment == "zero_shot"]
    assert all(len(cell.hidden) == 1 for cell in cells)
    starred = {(cell.model, *next(iter(cell.hidden.items()))): cell.key for cell in cells}
    assert len(starred) == 12
    draws = {hidden for _, _, hidden in starred}
    assert sorted(len(hidden) for hidden in draws) == [1, 3, 5]
    for hidden in draws:
        imu, video = starred["imu", "imu", hidden], starred["video", "video", hidden]
        assert plan.parents(starred["fusion", "imu", hidden]) == (imu, whole["video"])
        assert plan.parents(starred["fusion", "video", hidden]) == (whole["imu"], video)
        for key in (imu, starred["fusion", "imu", hidden]):
            assert plan.runs[key].data.hidden == {"imu": hidden}
        for key in (video, starred["fusion", "video", hidden]):
            assert plan.runs[key].data.hidden == {"video": hidden}


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
    assert len(part.cells) == cells < len(plan.cells) and all(cell in plan.cells for cell in part.cells)
    assert all(plan.runs[key] == spec for key, spec in part.runs.items())


def test_what_is_not_read_decides_nothing(monkeypatch: pytest.MonkeyPatch, plan: Plan) -> None:
    frames = {"video": {"frames": 9, "size": 48}}
    monkeypatch.setitem(recipes.SCALES, "larger", replace(recipes.SCALES["demo"], inputs=frames))
    larger = grid(scale="larger")
    assert kinds(larger) == kinds(plan)

    def keys(plan: Plan, kind: str) -> set[str]:
        return {key for key, spec in plan.runs.items() if spec.stage == kind}

    assert keys(larger, "imu") == keys(plan, "imu")
    assert not keys(larger, "video") & keys(plan, "video") and not keys(larger, "fusion") & keys(plan, "fusion")


def test_weights_of_ones_own_go_to_the_video_runs() -> None:
    def cells(**weights: str) -> dict[str, RunSpec]:
        study = Study(manifest(), "paper", "paper", weights=weights)
        return {cell.model: study.runs[cell.key] for cell in modality_comparison.cells(study, 0)}

    ours, theirs = cells(s3d="sha256:00"), cells()
    assert (ours["video"].network.encoders["video"].weights, ours["imu"].key) == ("sha256:00", theirs["imu"].key)
    assert theirs["video"].network.encoders["video"].weights == "kinetics400"
    assert ours["video"].key != theirs["video"].key and ours["fusion"].key != theirs["fusion"].key
    of_all, of_others, scratch = cells(**{"": "sha256:00"}), cells(i3d="sha256:00"), cells(s3d="none")
    assert of_all["video"].key == ours["video"].key and of_others["video"].key == theirs["video"].key
    assert scratch["video"].network.encoders["video"].weights == "none"


def test_weights_are_the_commands_or_the_recipes_or_the_scales() -> None:
    def weights(scale: str, given: dict[str, str], **changes: str) -> str:
        study = Study(manifest(), scale, "paper", weights=given, set=changes)
        return study.runs[study.cell("modalities", "video", 0).key].network.encoders["video"].weights

    i3d, kinetics = {"video.model.encoder": "i3d"}, {"video.model.weights": "kinetics400"}
    assert weights("demo", {}, **i3d) == "none" and weights("paper", {}, **i3d) == "kinetics400"
    assert weights("demo", {}, **i3d, **kinetics) == weights("demo", {"i3d": "kinetics400"}, **i3d) == "kinetics400"
    assert weights("paper", {"i3d": "none"}, **i3d, **kinetics) == "none"
    assert weights("demo", {"i3d": "sha256:00", "": "sha256:11"}, **i3d, **kinetics) == "sha256:00"


def test_the_stage_ablation_shares_stage_1(plan: Plan) -> None:
    ablation = grid(experiment=stage_ablation)
    by = {cell.method: ablation.runs[cell.key] for cell in ablation.cells}
    assert list(by) == ["one-stage", "frozen", "two-stage", "all"]
    assert kinds(ablation) == {"imu": 1, "video": 1, "fusion": 4}
    [paper] = [cell.key for cell in plan.cells if cell.experiment == "modalities" and cell.model == "fusion"]
    assert by["two-stage"].key == paper and len({spec.key for spec in by.values()}) == 4
    assert by["frozen"].parents == by["all"].parents == by["two-stage"].parents and by["one-stage"].parents == {}
    heads = {method: spec.network.head.finetuned for method, spec in by.items()}
    assert heads == {
        "one-stage": {}, "all": {}, "frozen": {"imu": (), "video": ()}, "two-stage": {"video": ("Mixed_4c", "Mixed_5c")}
    }  # fmt: skip
    stage1 = {m: ablation.runs[key] for m, key in by["two-stage"].parents.items()}
    one = by["one-stage"]
    assert one.network.encoders == {m: spec.network.encoders[m] for m, spec in stage1.items()}
    assert one.optimization.epochs == stage1["video"].optimization.epochs + by["two-stage"].optimization.epochs
    assert replace(one.optimization, epochs=1) == replace(stage1["video"].optimization, epochs=1)


def test_a_plan_and_each_of_its_runs_say_what_they_are() -> None:
    """Of one stage, which trains for the epochs of both, no other number than its own."""
    ablation = grid(experiment=stage_ablation, recipe="tuned")
    seen, by = "video in 8 frames of 32x32, S3D from scratch", {cell.method: cell.key for cell in ablation.cells}
    assert ablation.describe() == f"{seen}, epochs: fusion 26 or 8, imu 27, video 18"
    assert ablation.describe(by["one-stage"]) == f"{seen}, epochs: fusion 26"
    assert ablation.describe(by["frozen"]) == f"{seen}, epochs: imu 27, video 18, fusion 8"
    [imu] = [key for key, spec in ablation.runs.items() if spec.stage == "imu"]
    assert ablation.describe(imu) == "epochs: imu 27"


@pytest.mark.parametrize("method", ["two-stage", "one-stage", "frozen", "all"])
def test_of_one_modality_a_method_of_stages_is_stage_1(method: str, plan: Plan) -> None:
    study = Study(manifest(), "demo", "paper")
    cell = study.cell("stages", "imu", 0, method=method)
    assert cell.key in plan.runs and plan.runs[cell.key].name == "imu seed=0" and cell.modalities == ("imu",)


def test_ways_to_fuse_share_stage_1_and_differ_in_one_thing_each() -> None:
    comparison = grid(experiment=fusion_comparison)
    by = {cell.method: comparison.runs[cell.key] for cell in comparison.cells if cell.model == "fusion"}
    assert kinds(comparison) == {"imu": 1, "video": 1, "fusion": 4}
    assert len({tuple(spec.parents.items()) for spec in by.values()}) == 1
    networks = {method: spec.network for method, spec in by.items()}
    assert networks["attention"] == networks["attention-dropout"] != networks["concatenation"] == networks["dropout"]
    assert by["dropout"].missing == by["attention-dropout"].missing > 0
    assert by["concatenation"].missing == by["attention"].missing == 0
    assert by["two-stage"] == by["concatenation"]  # of recipe paper; tuned has modality dropout
    names = {spec.name for spec in by.values()}
    assert len(names) == 4 and "fusion imu+video attention modality-dropout seed=0" in names


def test_what_a_cell_takes_is_known_before_a_corpus_is_read(plan: Plan) -> None:
    outlined = [*full_grid.cells(Outline(("imu", "video")), 0)]  # pyright: ignore[reportArgumentType]
    assert [(c.experiment, c.model, c.modalities) for c in outlined] == [
        (c.experiment, c.model, c.modalities) for c in plan.cells
    ]


def test_a_cell_of_a_modality_that_was_not_read_has_no_run() -> None:
    study = Study(manifest().of(("imu",)), "demo", "paper", modalities=("imu", "video"))
    keys = {cell.model: cell.key for cell in modality_comparison.cells(study, 0)}
    assert keys.keys() == {"imu", "video", "fusion"} and not keys["video"] and not keys["fusion"]
    [spec] = Plan.of("imu", [*modality_comparison.cells(study, 0)], study.runs, ("imu",)).runs.values()
    whole = Study(manifest(), "demo", "paper")
    assert spec.key == whole.cell("modalities", "imu", 0).key, "videos are none of a signal's run's business"

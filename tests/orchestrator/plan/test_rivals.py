"""Methods that bring a recipe of their own: their stages, what they share, and what is none of their business."""

from dataclasses import replace

import pytest

from datasets.manifest import Manifest
from datasets.modalities import imu
from models.methods import METHODS, RIVALS, TUNED, method
from orchestrator.plan.plan import Plan
from orchestrator.plan.recipes import TILT
from orchestrator.plan.rival_recipes import MMACT_RECIPES, RECIPES, rival_recipe
from orchestrator.plan.spec import Optimization, RunSpec
from orchestrator.plan.study import Study
from orchestrator.report import results
from tests.support.recordings.skeletons import with_skeletons
from tests.support.runs.plans import manifest

READ = ("imu", "skeleton")
FRAMED = {"vskd-dask": ("imu", "video")}  # what they read where that is other than READ
STAGES = {
    "simclr-imu": ["simclr_imu", "probe_imu"],
    "simclr-skeleton": ["simclr_skeleton", "probe_skeleton"],
    "cmkm-supervised": ["cmkm_supervised"],
    "cmc": ["cmc", "cmkm_classifier"],
    "cmc-cmkm": ["simclr_imu", "simclr_skeleton", "cmkm", "cmkm_classifier"],
    "hamlet": ["hamlet"],
    "mumu": ["mumu"],
    "vskd-student": ["vskd_student"],
    "vskd-dask": ["vskd_teacher", "vskd_dask"],
}


@pytest.fixture(scope="module")
def clips() -> Manifest:
    return with_skeletons(manifest())


def planned(clips: Manifest, *methods: str, recipe: str = "paper", scale: str = "laptop", **how: object) -> Plan:
    study = Study(clips, scale, recipe, **how)  # pyright: ignore
    cells = [study.cell("fusions", FRAMED.get(name.removesuffix(TUNED), READ), 0, method=name) for name in methods]
    return Plan.of("rivals", cells, study.runs)


def one(plan: Plan, stage: str) -> RunSpec:
    [spec] = plan.stages[stage]
    return spec


def test_each_has_its_stages_and_all_of_them_a_recipe(clips: Manifest) -> None:
    assert STAGES.keys() == RIVALS.keys()
    assert {name for name in METHODS if method(name).recipe in RECIPES} == {n + s for n in RIVALS for s in ("", TUNED)}
    for name in (n + suffix for n in RIVALS for suffix in ("", TUNED)):
        plan, stages = planned(clips, name), STAGES[name.removesuffix(TUNED)]
        assert [*plan.stages] == stages and len(plan.runs) == len(stages)
        assert plan.stages.keys() <= RECIPES[method(name).recipe].stages.keys()
        assert plan.runs[plan.cells[0].key].stage == stages[-1] and plan.runs[plan.cells[0].key].classifies


def test_a_second_row_is_the_same_networks_with_settings_chosen_here(clips: Manifest) -> None:
    for name in RIVALS:
        first, second = planned(clips, name), planned(clips, name + TUNED)
        networks = [
            {s: replace(one(p, s).network.head, label_smoothing=0.0) for s in p.stages} for p in (first, second)
        ]
        assert networks[0] == networks[1]
        # No setting of SimCLR on skeletons had more clips of the folds right than the authors'.
        assert (first.runs.keys() == second.runs.keys()) == (name == "simclr-skeleton")
        assert method(name).label.endswith("its authors' settings")
        assert method(name + TUNED).label.endswith("settings chosen here")
    plan = planned(clips, "vskd-dask", "vskd-dask-tuned", "vskd-student-tuned")
    assert len(plan.stages["vskd_teacher"]) == 1, "the teacher is the same"
    alone, [_, taught] = one(plan, "vskd_student"), plan.stages["vskd_dask"]
    assert alone.optimization == taught.optimization and alone.augmentation == taught.augmentation


def test_runs_without_labels_are_shared_between_rows(clips: Manifest) -> None:
    plan = planned(clips, *RIVALS)
    assert {stage: len(specs) for stage, specs in plan.stages.items() if len(specs) > 1} == {"cmkm_classifier": 2}
    simclr = {m: one(plan, f"simclr_{m}") for m in READ}
    assert one(plan, "cmkm").parents == {f"similar_{m}": spec.key for m, spec in simclr.items()}
    assert {one(plan, f"probe_{m}").parents[m] for m in READ} == {spec.key for spec in simclr.values()}
    parents = [spec.parents for spec in plan.stages["cmkm_classifier"]]
    assert parents == [dict.fromkeys(READ, one(plan, stage).key) for stage in ("cmc", "cmkm")]
    assert (simclr["imu"].network.head.temperature, simclr["imu"].optimization.batch) == (0.05, 128)
    assert not any(spec.classifies for spec in (*simclr.values(), one(plan, "cmc"), one(plan, "cmkm")))


def test_encoders_and_inputs_are_the_methods_own(clips: Manifest) -> None:
    """Several Inputs of one modality in one plan, of one folder of shards where they store the same."""
    plan = planned(clips, "two-stage", *RIVALS, recipe="tuned")
    samples = {
        stage: spec.data.inputs["imu"].resampled
        for stage, [spec, *_] in plan.stages.items()
        if "imu" in spec.modalities
    }
    assert samples == {"imu": 128, "fusion": 128, "hamlet": 128, "mumu": 128} | dict.fromkeys(
        ("vskd_student", "vskd_dask"), 64
    ) | dict.fromkeys(("simclr_imu", "probe_imu", "cmkm_supervised", "cmc", "cmkm", "cmkm_classifier"), 50)
    assert one(plan, "imu").network.encoders["imu"].name == "cnn"
    assert one(plan, "vskd_student").network.encoders["imu"].name == "gramian-resnet18"
    assert one(plan, "cmkm").network.encoders["imu"].settings["samples"] == 50
    assert [name for name, _ in plan.inputs] == ["imu", "skeleton", "video"]
    raw = {
        key: replace(spec, data=replace(spec.data, inputs={"imu": imu.Input(999, 6)}))
        for key, spec in plan.runs.items()
        if spec.modalities == ("imu",)
    }
    assert [
        given.samples for _, given in Plan("raw", (), {**plan.runs, **raw}).inputs if isinstance(given, imu.Input)
    ] == [999, one(plan, "cmkm").data.inputs["imu"].samples]


def test_the_study_s_recipe_is_none_of_their_business(clips: Manifest) -> None:
    papers, tuned = (planned(clips, "two-stage", *RIVALS, recipe=recipe) for recipe in ("paper", "tuned"))
    moved = {papers.runs[key].stage for key in set(papers.runs) - set(tuned.runs)}
    assert moved == {"imu", "skeleton", "fusion"}
    alone = planned(clips, "two-stage")
    assert alone.runs.items() <= papers.runs.items(), "a row beside them is what it is without them"


def test_what_is_set_of_a_stage_is_set_of_theirs_and_of_inputs_is_not(clips: Manifest) -> None:
    given = {"simclr_imu.optimization.lr": 0.5, "imu.resampled": 96, "imu.model.filters": [8, 16, 24]}
    plan, before = planned(clips, *RIVALS, set=given), planned(clips, *RIVALS)
    assert one(plan, "simclr_imu").optimization.lr == 0.5
    assert one(plan, "simclr_imu").data.inputs["imu"].resampled == 50
    moved = {plan.runs[key].stage for key in set(plan.runs) - set(before.runs)}
    assert moved == {"simclr_imu", "probe_imu", "cmkm", "cmkm_classifier"}
    given = {"cmkm.model.temperature_within": 0.1, "simclr_imu.augmentation.scale": 0.3}
    plan = planned(clips, "cmc-cmkm", set=given)
    assert one(plan, "cmkm").network.head.temperature_within == 0.1
    assert one(plan, "simclr_imu").augmentation["imu"].scale == 0.3


def test_a_training_ratio_and_hidden_classes_reach_every_stage(clips: Manifest) -> None:
    from orchestrator.plan.rows import rows_of

    study = Study(clips, "demo", "paper")
    for name in RIVALS:
        study.cell("ratio", FRAMED.get(name, READ), 0, ratio=0.5, method=name)
    assert {spec.data.ratio for spec in study.runs.values()} == {0.5}
    study = Study(clips, "demo", "paper")
    for name in RIVALS:
        study.cell("zero_shot", FRAMED.get(name, READ), 0, hidden={"imu": (1, 2)}, method=name)
    labels = clips.clips["label"].to_numpy()
    for spec in study.runs.values():
        without = spec.modalities == ("imu",) or (not spec.classifies and "imu" in spec.modalities)
        assert ({1, 2} & set(labels[rows_of(spec, clips)[0]]) == set()) == without, spec.name


@pytest.mark.parametrize(
    ("name", "read", "words"),
    [
        ("simclr-skeleton", ("imu",), "add skeleton to --modalities"),
        ("vskd-student", ("skeleton",), "add imu to --modalities"),
        ("vskd-dask", ("imu", "skeleton"), "add imu and video, or imu and depth, to --modalities"),
        ("vskd-dask", ("skeleton", "video"), "add imu and video, or imu and depth, to --modalities"),
        ("cmc", ("imu",), "name two or more, not imu alone"),
        ("hamlet", ("imu",), "name two or more, not imu alone"),
        ("mumu", ("skeleton",), "name two or more, not skeleton alone"),
    ],
)
def test_what_a_method_cannot_do_without_is_told(name: str, read: tuple, words: str, clips: Manifest) -> None:
    with pytest.raises(ValueError, match=words):
        Study(clips, "demo", "paper").cell("fusions", read, 0, method=name)


def test_at_paper_scale_they_train_their_authors_epochs(clips: Manifest) -> None:
    papers, laptop = (planned(clips, *RIVALS, scale=scale) for scale in ("paper", "laptop"))
    epochs = {stage: spec.optimization.epochs for stage, [spec, *_] in papers.stages.items()}
    longer = {stage: count for stage, count in epochs.items() if count != 100}
    assert longer == {"simclr_imu": 300, "simclr_skeleton": 300, "hamlet": 200, "mumu": 200}
    for stage, [spec, *_] in laptop.stages.items():
        whole = stage in ("probe_imu", "probe_skeleton", "cmkm_classifier", "vskd_teacher")
        assert spec.optimization.epochs == epochs[stage] // (1 if whole else 2)


def test_a_rate_with_warm_restarts_goes_down_three_times() -> None:
    how = Optimization(0.4, 0.0, 16, 7, "adamw", "warm-restarts")
    found = [how.rate(epoch / 7) for epoch in (0, 0.5, 1, 2, 2.9999, 3, 5, 6.9999)]
    assert found == pytest.approx([0.4, 0.2, 0.4, 0.2, 0.0, 0.4, 0.2, 0.0], abs=1e-4)


def test_a_rate_in_steps_is_a_tenth_from_half_on() -> None:
    how = Optimization(0.4, 0.0, 16, 10, "sgd", "step")
    assert [how.rate(done) for done in (0, 0.49, 0.5, 0.99)] == pytest.approx([0.4, 0.4, 0.04, 0.04])


def test_on_mmact_they_have_its_rate_and_settings() -> None:
    cmkm, vskd = MMACT_RECIPES["cmc-cmkm"], MMACT_RECIPES["vskd"]
    assert cmkm.settings("imu") == imu.Settings(resampled=50, rate=50)
    assert (cmkm.stage("simclr_skeleton").head.temperature, cmkm.stage("cmkm").optimization.batch) == (0.2, 128)
    assert {how.rotation for stage in cmkm.stages.values() for how in stage.augmentation.values()} == {0.0, TILT}
    assert vskd.encoder("imu").settings["first"] == 3 and RECIPES["vskd"].encoder("imu").settings["first"] == 0


def test_a_second_row_may_have_settings_of_its_own_for_what_it_reads(clips: Manifest) -> None:
    for layout in ("utd-mhad", "mmact"):
        every, fewer = (
            rival_recipe("hamlet-tuned", layout, read) for read in (("depth", "imu", "skeleton"), ("depth", "skeleton"))
        )
        assert every == rival_recipe("hamlet-tuned", layout)
        assert fewer.stage("hamlet").optimization != every.stage("hamlet").optimization
        assert fewer.inputs == every.inputs and fewer.encoders == every.encoders
    assert rival_recipe("hamlet", "utd-mhad", ("depth", "skeleton")) is RECIPES["hamlet"]
    study = Study(clips, "demo", "paper")
    for read, schedule in ((("skeleton", "video"), "one-cycle"), (("imu", "skeleton", "video"), "warm-restarts")):
        spec = study.runs[study.cell("fusions", read, 0, method="hamlet-tuned").key]
        assert spec.optimization.schedule == schedule


def test_a_report_says_which_subjects_chose_a_methods_recipe(clips: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RECIPES, "vskd", replace(RECIPES["vskd"], chosen_on=(1, 3)))
    study = Study(clips, "demo", "paper", "even-odd")
    plan = Plan.of("rivals", [study.cell("fusions", READ, 0, method="vskd-student")], study.runs)
    assert "NOT CLEAN: recipe vskd was chosen by scores of subjects 1, 3" in results.selection(study, plan)
    assert results.selection(study, replace(plan, cells=())) == "last epoch, no selection"
    study = Study(clips, "demo", "paper", "leave-one-subject-out")
    plan = Plan.of("rivals", [f.cell("fusions", READ, 0, method="cmc-tuned") for f in study.folds()], study.runs)
    told = results.selection(study, plan)
    assert "NOT CLEAN: recipe cmc-cmkm-tuned was chosen by scores of subjects 1, 3, 5, 7" in told
    study = Study(clips, "demo", "tuned", "leave-one-subject-out")
    plan = Plan.of("rivals", [f.cell("fusions", READ, 0, method="cmc") for f in study.folds()], study.runs)
    assert results.selection(study, plan) == "last epoch, no selection", "no row is trained by the study's recipe"
    assert "NOT CLEAN: recipe tuned" in results.selection(study)
    assert {rival_recipe("hamlet-tuned", layout).chosen_on for layout in ("mmact", "class-folders")} == {()}
    assert rival_recipe("cmc-cmkm-tuned", "mmact").stage("cmkm").optimization.lr == 1.52e-3, "but the batch is MMAct's"

"""Methods of others on frames, of video or of depth: encoders, inputs, and the trunk that their runs share."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from datasets.manifest import Manifest
from models.methods import method
from orchestrator.plan.plan import Plan
from orchestrator.plan.recipes import recipe_of
from orchestrator.plan.rival_recipes import FRAMES, rival_recipe
from orchestrator.plan.spec import RunSpec
from orchestrator.plan.study import Study
from orchestrator.plan.unused_options import refuse_unused
from orchestrator.storage import trunks
from tests.orchestrator.plan.test_depth_plan import clips as of_depth
from tests.support.recordings.skeletons import with_skeletons

clips = of_depth
METHODS = ("hamlet", "mumu", "vskd-dask")


def planned(clips: Manifest, *read: str, scale: str = "laptop", methods: tuple[str, ...] = METHODS, **how: Any) -> Plan:
    study = Study(with_skeletons(clips), scale, "paper", **how)
    return Plan.of("rivals", [study.cell("fusions", read, 0, method=name) for name in methods], study.runs)


def folders(clips: Manifest, spec: RunSpec, name: str) -> set[Path]:
    return {trunk.folder(Path("/s")) for trunk in trunks.of(with_skeletons(clips), spec, name)}


@pytest.mark.parametrize("shown", FRAMES)
def test_which_frames_a_study_has_decides(shown: str, clips: Manifest) -> None:
    plan = planned(clips, "imu", "skeleton", shown)
    read = {spec.stage: spec.modalities for spec in plan.runs.values()}
    both = tuple(sorted(("imu", shown)))
    every = tuple(sorted((*both, "skeleton")))
    assert read == {"hamlet": every, "mumu": every, "vskd_teacher": (shown,), "vskd_dask": both}
    names = {spec.stage: spec.network.encoders[shown].name for spec in plan.runs.values()}
    assert names == dict.fromkeys(("hamlet", "mumu"), f"segments-{shown}") | dict.fromkeys(
        ("vskd_teacher", "vskd_dask"), f"features-{shown}"
    )
    for spec in plan.runs.values():
        refuse_unused(spec)
        given = spec.data.inputs[shown]
        assert (given.frames, given.size, given.stored_frames, given.stored_size) == (32, 112, 48, 126)
        assert spec.network.encoders[shown].weights == "kinetics400" and spec.network.encoders[shown].frozen
    without = planned(clips, shown, "skeleton", methods=("hamlet", "mumu"))
    assert {spec.modalities for spec in without.runs.values()} == {tuple(sorted((shown, "skeleton")))}
    assert not without.runs.keys() & plan.runs.keys()


def test_the_student_has_a_teacher_and_its_frozen_encoder(clips: Manifest) -> None:
    plan = planned(clips, "imu", "depth", methods=("vskd-student", "vskd-dask"))
    teacher, student, alone = (plan.stages[s][0] for s in ("vskd_teacher", "vskd_dask", "vskd_student"))
    assert student.parents == dict.fromkeys(("depth", "teacher"), teacher.key) and student.classifies
    assert student.network.head.finetuned == {"depth": ()} and not student.network.whole("depth")
    assert student.network.encoders["imu"] == alone.network.encoders["imu"]
    assert student.optimization == alone.optimization and teacher.optimization.optimizer == "sgd"
    assert [*plan.stages].index("vskd_teacher") < [*plan.stages].index("vskd_dask")
    both = planned(clips, "imu", "depth", "video", methods=("vskd-dask",))
    assert both.stages["vskd_teacher"][0].modalities == ("video",)


@pytest.mark.parametrize("shown", FRAMES)
def test_one_trunk_serves_all_of_them_and_recipe_transfer(shown: str, clips: Manifest) -> None:
    plan = planned(clips, "imu", "skeleton", shown)
    found = [folders(clips, spec, shown) for spec in plan.runs.values()]
    assert len(set.union(*found)) == 1
    how = {f"{shown}.model.frozen": "Mixed_4f", f"{shown}.frames": 32, f"{shown}.size": 112}
    study = Study(with_skeletons(clips), "laptop", "transfer", set=how)
    transfer = study.runs[study.cell("modalities", shown, 0).key]
    assert found[0] <= folders(clips, transfer, shown)
    other = replace(transfer.network.encoders[shown], settings={**transfer.network.encoders[shown].settings})
    other.settings["frozen"] = "Mixed_4e"
    moved = replace(transfer, network=replace(transfer.network, encoders={shown: other}))
    assert not found[0] & folders(clips, moved, shown)
    assert transfer.data.inputs[shown] == plan.stages["hamlet"][0].data.inputs[shown]


def test_the_backbones_weights_are_theirs(clips: Manifest) -> None:
    plan = planned(clips, "imu", "depth", weights={"i3d": "sha256:1"})
    assert {spec.network.encoders["depth"].weights for spec in plan.runs.values()} == {"sha256:1"}
    with pytest.raises(ValueError, match=r"depth\.model\.frozen Mixed_4f: .* need weights to start from"):
        planned(clips, "imu", "depth", weights={"": "none"})


@pytest.mark.parametrize("layout", ["utd-mhad", "mmact"])
def test_frames_are_shown_as_recipe_transfer_has_them(layout: str) -> None:
    transfer = recipe_of("transfer", layout)
    for name in METHODS:
        recipe = rival_recipe(method(name).recipe, layout)
        assert {m: recipe.settings(m) for m in FRAMES} == {m: transfer.settings(m) for m in FRAMES}
        assert not any(m in stage.augmentation for stage in recipe.stages.values() for m in FRAMES)
        assert recipe.settings("imu").rate == (50 if layout == "mmact" else None)

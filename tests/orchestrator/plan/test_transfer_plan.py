"""Frozen blocks in a plan: the recipe `transfer`, which trunks its runs read, and what is refused before a start."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from datasets.manifest import Manifest
from datasets.modalities import depth, video
from experiments import full_grid, fusion_comparison, stage_ablation
from models.spec import EncoderSpec, HeadSpec, NetworkSpec
from orchestrator.plan.plan import Plan
from orchestrator.plan.recipes import SCALES
from orchestrator.plan.spec import RunSpec, dump
from orchestrator.plan.study import Study
from orchestrator.plan.unused_options import refuse_unused
from orchestrator.storage import trunks
from tests.orchestrator.plan.test_depth_plan import clips as clips
from tests.orchestrator.plan.test_depth_plan import run

READ = ("depth", "imu")


def folders(manifest: Manifest, spec: RunSpec, modality: str = "depth") -> list[str]:
    return [str(trunk.folder(Path("/s"))) for trunk in trunks.of(manifest, spec, modality)]


def test_every_run_of_a_plan_reads_the_same_trunk(clips: Manifest) -> None:
    """Ratios, hidden classes, seeds, methods and folds; runs that vary clips read their views as well."""
    study = Study(clips, "laptop", "transfer", "odd-even-validation", READ, set={"fusion.missing": 0.3})
    experiments: list[Callable] = [full_grid.cells, stage_ablation.cells, fusion_comparison.cells]
    cells = [cell for fold in study.folds() for seed in (0, 1) for each in experiments for cell in each(fold, seed)]
    plan = Plan.of("all", cells, study.runs)
    read = {key: folders(clips, spec) for key, spec in plan.runs.items() if "depth" in spec.modalities}
    stages = {plan.runs[key].stage: found for key, found in read.items()}
    assert len({name for found in read.values() for name in found}) == 2 and len(read) > 50
    assert (len(stages["depth"]), len(stages["fusion"])) == (2, 1) and stages["fusion"][0] == stages["depth"][0]
    assert all(trunks.of(clips, spec, "imu") == [] for spec in plan.runs.values() if "imu" in spec.modalities)
    for spec in plan.runs.values():
        refuse_unused(spec)
    own = trunks.of(clips, plan.stages["depth"][0], "depth")[1]
    assert own.rows == trunks.training_rows(clips, "odd-even") and len(own.rows) < clips.clips.num_rows


def test_a_trunk_follows_from_its_parts_and_from_nothing_else(clips: Manifest) -> None:
    spec = run(clips, "laptop", "transfer", "depth")
    own, views = folders(clips, spec)
    head = replace(spec.network, head=replace(spec.network.head, dropout=0.1))
    for same in (
        replace(spec, seed=3, optimization=replace(spec.optimization, lr=1.0, epochs=99), network=head, threads=1),
        replace(spec, data=replace(spec.data, ratio=0.25, hidden={"depth": (1,)})),
        replace(spec, data=replace(spec.data, protocol="odd-even-validation/3")),
        with_settings(spec, batchnorm_momentum=0.3),
    ):
        assert folders(clips, same) == [own, views]
    for name, value in {"weights": "sha256:1", "frozen": "Mixed_3c", "precision": "bf16"}.items():
        assert not set(folders(clips, with_settings(spec, **{name: value}))) & {own, views}, name
    others = [replace(spec.data.inputs["depth"], **{name: 200}) for name in ("stored_frames", "stored_size")]
    others += [replace(spec.data.inputs["depth"], channels="motion"), replace(spec.data.inputs["depth"], frames=8)]
    for other in others:
        assert not set(folders(clips, replace(spec, data=replace(spec.data, inputs={"depth": other})))) & {own, views}
    content = ["other", *clips.clips["depth_content"].to_pylist()[1:]]
    changed = replace(clips, clips=clips.clips.drop_columns("depth_content").append_column("depth_content", [content]))
    assert not set(folders(changed, spec)) & {own, views}
    for how in (depth.Augmentation(crop=0.2, views=3), depth.Augmentation(crop=0.3, views=2)):
        found = folders(clips, replace(spec, augmentation={"depth": how}))
        assert found[0] == own and found[1] != views
    assert folders(clips, replace(spec, data=replace(spec.data, protocol="even-odd")))[1] != views


def with_settings(spec: RunSpec, **changed: Any) -> RunSpec:
    encoder = spec.network.encoders["depth"]
    encoder = replace(encoder, settings=encoder.settings | changed)
    return replace(spec, network=replace(spec.network, encoders={"depth": encoder}))


@pytest.mark.parametrize("scale", SCALES)
def test_transfer_is_tuned_with_a_frozen_i3d(clips: Manifest, scale: str) -> None:
    spec, tuned = (run(clips, scale, recipe, "depth", "imu") for recipe in ("transfer", "tuned"))
    encoder = spec.network.encoders["depth"]
    assert (encoder.name, encoder.weights, encoder.settings["precision"]) == ("i3d-depth", "kinetics400", "fp32")
    assert encoder.frozen and spec.network.encoders["imu"] == tuned.network.encoders["imu"]
    assert spec.data.inputs["depth"].channels == "depth" and spec.optimization == tuned.optimization
    usual = SCALES[scale].inputs["depth"]
    size = (32, 112) if scale == "laptop" else (usual["frames"], usual["size"])
    assert (spec.data.inputs["depth"].frames, spec.data.inputs["depth"].size) == size
    changes = {
        "depth.frames": "12",
        "depth.size": "96",
        "depth.model.frozen": "Mixed_3c",
        "depth.augmentation.views": 1,
    }
    other = run(clips, scale, "transfer", "depth", **changes)
    assert (other.data.inputs["depth"].frames, other.data.inputs["depth"].size) == (12, 96)
    assert other.network.encoders["depth"].frozen == 7 and other.augmentation["depth"].views == 1


def test_what_came_later_is_no_part_of_a_key_that_does_without_it() -> None:
    assert "frozen" not in dump(EncoderSpec("s3d"))["settings"] and "frozen" in EncoderSpec("s3d").settings
    assert dump(EncoderSpec("s3d", {"frozen": "Conv_1a"}))["settings"]["frozen"] == "Conv_1a"
    assert "views" not in dump(video.Augmentation(video=0.3)) and "views" in dump(video.Augmentation(views=1))


def test_frozen_blocks_need_weights_and_are_not_fine_tuned() -> None:
    frozen = EncoderSpec("i3d-depth", {"weights": "kinetics400", "frozen": "Mixed_4c"})
    scratch = replace(frozen, settings=frozen.settings | {"weights": "none"})
    with pytest.raises(
        ValueError, match=r"depth\.model\.frozen Mixed_4c: .* need weights .* Add --weights kinetics400"
    ):
        NetworkSpec({"depth": scratch})
    with pytest.raises(ValueError, match=r"finetuned depth \['Mixed_4c'\]: i3d-depth is frozen up to Mixed_4c; name"):
        NetworkSpec({"depth": frozen}, HeadSpec(finetuned={"depth": ("Mixed_4c", "Mixed_5c")}))
    with pytest.raises(ValueError, match="frozen Mixed_9: choose from none, Conv_1a"):
        EncoderSpec("i3d", {"frozen": "Mixed_9"})


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"depth.augmentation.views": 0}, r"depth\.augmentation of depth: what frozen blocks .*\.views 3, or set what"),
        ({"depth.model.frozen": "none"}, r"depth\.augmentation\.views 3: no block of its encoder is frozen"),
        (
            {"depth.augmentation.crop": 0, "depth.augmentation.rotation": 0},
            r"depth\.augmentation\.views 3 changes nothing where nothing else varies",
        ),
    ],
)
def test_views_without_a_use_and_variation_without_views_are_refused(
    changes: dict[str, Any], refused: str, clips: Manifest
) -> None:
    with pytest.raises(ValueError, match=refused):
        refuse_unused(run(clips, "demo", "transfer", "depth", **changes))

"""Depth in a plan: what its runs are at each scale and by each recipe, beside video's own."""

from typing import Any

import pyarrow as pa
import pytest

from datasets.manifest import Manifest
from models.spec import EncoderSpec
from orchestrator.plan import overrides
from orchestrator.plan.recipes import RECIPES, SCALES
from orchestrator.plan.spec import RunSpec
from orchestrator.plan.study import Study
from tests.orchestrator.plan.test_plan import manifest


@pytest.fixture
def clips() -> Manifest:
    made = manifest()
    count, table = made.clips.num_rows, made.clips
    for name, values in {"depth": ["d"] * count, "depth_content": [*map(str, range(count))]}.items():
        table = table.append_column(name, pa.array(values))
    table = table.append_column("depth_count", pa.array([60] * count, pa.int32()))
    return Manifest(made.corpus, made.shows, made.layout, made.classes, table, made.root)


def run(clips: Manifest, scale: str, recipe: str, *read: str, **changes: Any) -> RunSpec:
    study = Study(clips, scale, recipe, set=changes)
    return study.runs[study.cell("modalities", read, 0).key]


@pytest.mark.parametrize("scale", SCALES)
def test_depth_is_trained_as_video_is_and_from_scratch(clips: Manifest, scale: str) -> None:
    depth, video = (run(clips, scale, "paper", name) for name in ("depth", "video"))
    assert depth.optimization == video.optimization and depth.network.head == video.network.head
    assert (depth.threads, SCALES[scale].gpus["depth"]) == (video.threads, SCALES[scale].gpus["video"])
    own, its = (spec.network.encoders[spec.stage] for spec in (depth, video))
    assert its.weights == ("kinetics400" if scale == "paper" else "none") and own.weights == "none"
    assert own.name == "s3d-depth"
    assert own.settings == {k: v for k, v in its.settings.items() if k not in ("weights", "frozen")}
    sizes = [(given.frames, given.size) for spec in (depth, video) for given in spec.data.inputs.values()]
    assert sizes[0] == sizes[1]


def test_depth_starts_from_the_scales_weights_where_it_is_asked_for(clips: Manifest) -> None:
    asked = run(clips, "paper", "paper", "depth", **{"depth.model.encoder": "s3d"})
    assert asked.network.encoders["depth"] == EncoderSpec("s3d", {"weights": "kinetics400"})


def test_i3d_of_depth_starts_from_kinetics_at_every_scale(clips: Manifest) -> None:
    for scale in SCALES:
        asked = run(clips, scale, "tuned", "depth", **{"depth.model.encoder": "i3d-depth", "depth.channels": "depth"})
        assert asked.network.encoders["depth"].weights == "kinetics400"
        assert asked.data.inputs["depth"].channels == "depth"


def test_video_and_depth_are_fused_with_an_encoder_of_each(clips: Manifest) -> None:
    fusion = run(clips, "demo", "tuned", "video", "depth")
    assert fusion.modalities == ("depth", "video") and fusion.parents.keys() == {"depth", "video"}
    assert {name: encoder.name for name, encoder in fusion.network.encoders.items()} == {
        "depth": "thin-depth",
        "video": "s3d",
    }
    assert fusion.network.head.finetuned == {"depth": (), "video": ("Mixed_4c", "Mixed_5c")}


def test_a_setting_of_inputs_is_of_all_that_have_it_or_of_one() -> None:
    tuned = RECIPES["tuned"]
    both = overrides.apply(tuned, {"frames": "24"})
    assert both.settings("video").frames == both.settings("depth").frames == 24
    one = overrides.apply(tuned, {"depth.channels": "depth", "depth.frames": 24})
    assert (one.settings("depth").channels, one.settings("depth").frames) == ("depth", 24)
    assert one.settings("video") == tuned.settings("video")
    # Depth has no colour, and video no millimetres: what suits one of them is its own.
    colour = overrides.apply(tuned, {"channels": "colour"})
    assert (colour.settings("video").channels, colour.settings("depth").channels) == ("colour", "motion")
    for name, value in (("depth.crop", "motion"), ("depth.channels", "colour"), ("channels", "sound")):
        with pytest.raises(ValueError, match=f"--set {name} {value}: "):
            overrides.apply(tuned, {name: value})


def test_a_crop_of_depth_without_anything_to_spare_is_refused(clips: Manifest) -> None:
    from orchestrator.plan.unused_options import refuse_unused

    spec = run(clips, "demo", "tuned", "depth", **{"depth.spare_frames": 1, "depth.spare_size": 1})
    with pytest.raises(ValueError, match=r"depth.augmentation.crop 0.3 changes nothing .* add --set spare_frames 1.5"):
        refuse_unused(spec)


def test_a_size_that_is_set_comes_before_the_scales(clips: Manifest) -> None:
    found = run(clips, "laptop", "paper", "depth", "video", **{"frames": "24", "depth.size": "96"}).data.inputs
    assert [(found[m].frames, found[m].size) for m in ("depth", "video")] == [(24, 96), (24, 64)]


def test_a_variation_is_of_every_modality_of_a_fusion_or_of_the_one_that_is_named() -> None:
    both = overrides.apply(RECIPES["tuned"], {"fusion.augmentation.noise": 0.5}).stage("fusion").augmentation
    assert both["imu"].noise == both["skeleton"].noise == 0.5
    one = overrides.apply(RECIPES["tuned"], {"fusion.augmentation.skeleton.noise": 0.5}).stage("fusion").augmentation
    before = RECIPES["tuned"].stage("fusion").augmentation
    assert one["skeleton"].noise == 0.5 and one["imu"] == before["imu"]
    with pytest.raises(ValueError, match="has no such field"):
        overrides.apply(RECIPES["tuned"], {"imu.augmentation.skeleton.scale": 0.5})


@pytest.mark.parametrize("order", [1, -1])
def test_another_encoder_gets_its_settings_in_whatever_order(order: int) -> None:
    given = [("skeleton.model.encoder", "temporal"), ("skeleton.model.dropout", 0.4)][::order]
    encoder = overrides.apply(RECIPES["tuned"], dict(given)).encoder("skeleton")
    assert (encoder.name, encoder.settings["dropout"]) == ("temporal", 0.4)

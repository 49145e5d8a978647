"""What --set changes of a recipe, what it refuses, and what a report says of it."""

import re
from dataclasses import replace
from typing import Any

import pytest

from experiments import full_grid
from models.methods import two_stage
from orchestrator.driver.prepare import make_plan
from orchestrator.plan import overrides
from orchestrator.plan.options import Options
from orchestrator.plan.recipes import RECIPES
from orchestrator.plan.study import Study
from orchestrator.report import results
from tests.support.runs.plans import manifest


@pytest.mark.parametrize(
    ("recipe", "changed", "said"),
    [
        ("paper", {"video.augmentation.video": 0.3}, "video.augmentation.video 0.3 changes nothing where shards hold"),
        ("paper", {"imu.augmentation.warp": 0.3}, "imu.augmentation.warp 0.3 changes nothing where signals aren't"),
        ("paper", {"fusion.augmentation.crop": 0.1}, "fusion.augmentation.crop 0.1 changes nothing where signals"),
        ("tuned", {"spare_frames": 1, "spare_size": 1}, "video.augmentation.video 0.3 changes nothing where shards"),
        ("tuned", {"imu.augmentation.missing": 0.3}, "imu.augmentation.missing 0.3: it has one modality"),
        ("tuned", {"imu.missing": 0.3}, "imu.augmentation.missing 0.3: it has one modality"),
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


WRONG: list[dict[str, Any]] = [
    {"video.augmentation.noise": 0.3},
    {"video.model.filters": [1, 2, 3]},
    {"imu.model.encoder": "s4d"},
    {"imu.model.filters": [1, 2]},
    {"fusion.model.encoder": "cnn"},
    {"fusion.model.join": "sum"},
    {"imu.times": 2},
    {"": 1},
]


def test_a_setting_changes_what_it_names_and_nothing_else() -> None:
    tuned = RECIPES["tuned"]
    changed = overrides.apply(
        tuned,
        {"imu.optimization.lr": 0.5, "imu.model.filters": [8, 16, 24], "imu.augmentation.noise": 0.7, "resampled": 96},
    )
    imu = changed.encoder("imu")
    assert imu.settings["filters"] == (8, 16, 24) and imu.settings["dropout"] == 0.08
    assert changed.settings("imu").resampled == 96 and changed.settings("video") == tuned.settings("video")
    assert (changed.stage("imu").optimization.lr, changed.stage("imu").augmentation["imu"].noise) == (0.5, 0.7)
    for stage in ("video", "fusion"):
        assert changed.stage(stage) == tuned.stage(stage)
    assert changed.encoder("video") == tuned.encoder("video")
    assert tuned.settings("imu").resampled == 128 and tuned.stage("imu").optimization.lr != 0.5
    for wrong in (
        {"imu.model.colour": 1},
        {"colour": 1},
        {"imu": 1},
        {"imu.optimization.lr": -1},
        {"crop": "nose"},
        *WRONG,
    ):
        with pytest.raises(ValueError, match=f"--set {next(iter(wrong))} "):
            overrides.apply(tuned, wrong)
    with pytest.raises(ValueError, match=r"^--set crop nose: crop: Input should be 'frame' or 'motion'$"):
        overrides.apply(tuned, {"crop": "nose"})
    assert [overrides.parse(word) for word in ("1e-3", "motion", "[1, 2]", 0.5)] == [1e-3, "motion", [1, 2], 0.5]


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("fusion.model.join", "attention", lambda recipe: recipe.stage("fusion").head.join),
        ("fusion.model.hidden", 64, lambda recipe: recipe.stage("fusion").head.hidden),
        ("imu.model.hidden", None, lambda recipe: recipe.stage("imu").head.hidden),
        ("video.model.label_smoothing", 0.2, lambda recipe: recipe.stage("video").head.label_smoothing),
        ("video.model.precision", "fp32", lambda recipe: recipe.encoder("video").settings["precision"]),
        ("imu.model.encoder", "cnn", lambda recipe: recipe.encoder("imu").name),
        ("imu.model.dropout", 0.3, lambda recipe: recipe.encoder("imu").settings["dropout"]),
        ("video.times_epochs", 2, lambda recipe: recipe.stage("video").times_epochs),
        ("fusion.missing", 0.2, lambda recipe: recipe.stage("fusion").missing),
        ("fusion.augmentation.missing", 0.2, lambda recipe: recipe.stage("fusion").missing),
        ("fusion.augmentation.warp", 0.9, lambda recipe: recipe.stage("fusion").augmentation["imu"].warp),
        ("fusion.augmentation.video", 0.2, lambda recipe: recipe.stage("fusion").augmentation["video"].video),
        ("pretraining.optimization.lr", 0.2, lambda recipe: recipe.stage("pretraining").optimization.lr),
        ("size", 48, lambda recipe: recipe.settings("video").size),
        ("rate", 50, lambda recipe: recipe.settings("imu").rate),
    ],
)
def test_each_name_has_its_place(name: str, value: Any, found: Any) -> None:
    changed = overrides.apply(RECIPES["tuned"], {name: value})
    assert found(changed) == value
    assert name == "imu.model.encoder" or changed != RECIPES["tuned"]


def test_dropout_without_a_share_is_the_recipes_or_the_usual() -> None:
    """As a method asks for it, whose stages' changes are of the recipe."""
    for recipe, share in (("tuned", 0.5), ("paper", 0.3)):
        assert overrides.apply(RECIPES[recipe], {"fusion.missing": two_stage.dropout}).stage("fusion").missing == share

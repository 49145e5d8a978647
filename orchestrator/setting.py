"""A setting: what a search changes of a recipe, as flat names of one modality's fields ("optimization.lr")."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from orchestrator.scale import Recipe
from orchestrator.spec import Modality


def apply(recipe: Recipe, modality: Modality, setting: Mapping[str, Any]) -> Recipe:
    """The recipe with these fields of its model, optimization, augmentation or itself; raises ValueError for others.

    "model.width" stands for an IMU encoder's three filter counts, as 1, 2 and 3 times it.
    """
    for name, value in setting.items():
        part, _, field = name.rpartition(".")
        if name == "model.width":
            field, value = "filters", (value, 2 * value, 3 * value)
        whole = {"model": recipe.models, "optimization": recipe.optimization, "augmentation": recipe.augmentation}
        if part in whole and field in {f.name for f in fields(whole[part][modality])}:
            changed = whole[part] | {modality: replace(whole[part][modality], **{field: value})}
            recipe = replace(recipe, **{"models" if part == "model" else part: changed})
        elif name == "times_epochs":
            recipe = replace(recipe, times_epochs=recipe.times_epochs | {modality: value})
        elif name in ("resampled", "rate", "crop", "spare_frames", "spare_size"):
            recipe = replace(recipe, **{name: value})
        else:
            raise ValueError(f"{name}: a recipe has no such field for {modality}.")
    return recipe

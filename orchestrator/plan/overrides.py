"""A setting: what is changed of a recipe, by flat names: "imu.optimization.lr", "video.times_epochs", "resampled"."""

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from pydantic import ValidationError

from orchestrator.plan.recipe import Recipe
from orchestrator.plan.spec import MODALITIES

OF_ALL = ("resampled", "rate", "crop", "channels", "spare_frames", "spare_size")
PARTS = {"model": "models", "optimization": "optimization", "augmentation": "augmentation"}


def apply(recipe: Recipe, setting: Mapping[str, Any]) -> Recipe:
    """The recipe with these values; raises ValueError for a name that no recipe has and a value that doesn't fit.

    A word is read as JSON where it is some: numbers, true, false, null and lists.
    "imu.model.width" stands for the three filter counts of the IMU encoder: 1, 2 and 3 times it.
    """
    for name, value in setting.items():
        try:
            recipe = _with(recipe, name, parse(value))
        except (ValueError, TypeError) as error:
            raise ValueError(f"--set {name} {value}: {reason(error)}") from None
    return recipe


def _with(recipe: Recipe, name: str, value: Any) -> Recipe:
    if name == "imu.model.width":
        name, value = "imu.model.filters", (value, 2 * value, 3 * value)
    modality, _, rest = name.partition(".")
    part, _, field = rest.partition(".")
    if name in OF_ALL:
        return replace(recipe, **{name: value})
    if modality in MODALITIES and rest == "times_epochs":
        return replace(recipe, times_epochs=recipe.times_epochs | {modality: value})
    if modality in MODALITIES and part in PARTS:
        each = getattr(recipe, PARTS[part])
        if field in {f.name for f in fields(each[modality])}:
            return replace(recipe, **{PARTS[part]: each | {modality: replace(each[modality], **{field: value})}})
    raise ValueError(f"a recipe has no such field; it has {', '.join(OF_ALL)} and MODALITY.PART.FIELD")


def reason(error: Exception) -> str:
    """In a sentence; pydantic makes a paragraph with links of what a spec refuses."""
    if not isinstance(error, ValidationError):
        return str(error)
    parts = [(".".join(map(str, e["loc"])), e["msg"].removeprefix("Value error, ")) for e in error.errors()]
    return "; ".join(f"{where}: {what}" if where else what for where, what in parts)


def parse(value: Any) -> Any:
    """What a word of the command line means; a value that is none already stays."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value

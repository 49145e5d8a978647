"""Overrides: what --set changes of a recipe, by flat names: "STAGE.optimization.lr", "STAGE.times_epochs", "rate".

A setting of an input is of every modality that has one of this name, "frames", or of one of them, "depth.frames".
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from pydantic import ValidationError

from datasets import modalities
from models.spec import EncoderSpec, HeadSpec
from orchestrator.plan.recipe import Recipe, StageRecipe
from orchestrator.plan.spec import Optimization


def apply(recipe: Recipe, given: Mapping[str, Any]) -> Recipe:
    """The recipe with these values; raises ValueError for a name that no recipe has and a value that doesn't fit.

    A word is read as JSON where it is some: numbers, true, false, null, lists and objects. A function, as a method may
    give one, makes the value of `times_epochs` or `missing` from the recipe's own.
    """
    # Another encoder has settings of its own, which come after it.
    for name, value in sorted(given.items(), key=lambda item: not item[0].endswith(".model.encoder")):
        try:
            recipe = _with(recipe, name, parse(value))
        except (ValueError, TypeError) as error:
            raise ValueError(f"--set {name} {value}: {reason(error)}") from None
    return recipe


def _with(recipe: Recipe, name: str, value: Any) -> Recipe:
    stage, _, rest = name.partition(".")
    part, _, field = rest.partition(".")
    if not rest:
        return _input(recipe, tuple(modalities.MODALITIES), name, value)
    own = recipe.stage(stage)
    if rest in ("times_epochs", "missing"):
        return _staged(recipe, stage, **{rest: value(getattr(own, rest)) if callable(value) else value})
    if rest == "augmentation.missing":
        return _staged(recipe, stage, missing=value)
    if part == "optimization" and field in names(Optimization):
        return _staged(recipe, stage, optimization=replace(own.optimization, **{field: value}))
    if part == "augmentation" and (read := _varied(own, stage, field)):
        field = field.rpartition(".")[2]
        how = {m: own.augmentation.get(m) or modalities.of(m).Augmentation() for m in read}
        changed = {m: replace(of_one, **{field: value}) for m, of_one in how.items()}
        return _staged(recipe, stage, augmentation=own.augmentation | changed)
    if part == "model":
        return _model(recipe, stage, field, value)
    if stage in modalities.MODALITIES and not field:
        return _input(recipe, (stage,), part, value)
    raise _unknown()


def _unknown() -> ValueError:
    known = dict.fromkeys(name for m in modalities.MODALITIES for name in names(modalities.of(m).Settings))
    return ValueError(f"a recipe has no such field; it has {', '.join(known)}, MODALITY.FIELD and STAGE.PART.FIELD")


def _input(recipe: Recipe, of: Sequence[str], name: str, value: Any) -> Recipe:
    """A setting of the inputs that have one of this name. Where the value suits some of them only, it is those'."""
    refused, found = _unknown(), {}
    for modality in of:
        if name in names(modalities.of(modality).Settings):
            try:
                found[modality] = replace(recipe.settings(modality), **{name: value})
            except ValueError as error:
                refused = error
    if not found:
        raise refused
    return replace(recipe, inputs=recipe.inputs | found)


def _varied(own: StageRecipe, stage: str, field: str) -> list[str]:
    """Whose augmentation a field is of: "skeleton.noise" is one modality's, "noise" that of all which have one.

    Those are the stage's own modality, or of several those that the recipe varies; where none of these has such a
    field, any that has.
    """
    named, _, field = field.rpartition(".")
    every = [m for m in modalities.MODALITIES if field in names(modalities.of(m).Augmentation) and named in ("", m)]
    first = [m for m in every if m == stage or m in own.augmentation]
    return first or (every if stage not in modalities.MODALITIES else [])


def _model(recipe: Recipe, stage: str, field: str, value: Any) -> Recipe:
    """Of a stage that is a modality's own an encoder, or one of its settings; else of what stands on the encoders."""
    if stage in modalities.MODALITIES:
        encoder = recipe.encoder(stage)
        changed = EncoderSpec(value) if field == "encoder" else None
        if field in encoder.settings:
            changed = replace(encoder, settings=encoder.settings | {field: value})
        if changed:
            return replace(recipe, encoders=recipe.encoders | {stage: changed})
    if field not in names(HeadSpec):
        raise _unknown()
    return _staged(recipe, stage, head=replace(recipe.stage(stage).head, **{field: value}))


def _staged(recipe: Recipe, stage: str, **changes: Any) -> Recipe:
    return replace(recipe, stages=recipe.stages | {stage: replace(recipe.stage(stage), **changes)})


def names(kind: type) -> list[str]:
    return [field.name for field in fields(kind)]


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

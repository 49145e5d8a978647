"""Names of what stands in the report: a row of Table 2, a line of Figure 2, a bar of Figure 3, a cell.

A model is named by the modalities that it reads, "depth+skeleton", whichever stage trained it: a plan may fuse several
sets of modalities. Its label is `datasets.modalities.Modality.named`: the word RGB names a result only where it was
seen.
"""

from collections.abc import Mapping
from typing import Any

from models.methods import DEFAULT, method

Cell = dict[str, Any]
Results = dict[str, Any]
VARIED = {"stages": "Do two stages help", "fusions": "Ways to fuse"}  # experiments over methods


def model_of(cell: Cell) -> str:
    return "+".join(cell["modalities"])


def read_by(model: str) -> list[str]:
    """The modalities of a model."""
    return model.split("+")


def models(results: Results) -> list[str]:
    """Those of fewer modalities first."""
    return sorted({model_of(cell) for cell in results["cells"]}, key=lambda model: (model.count("+"), read_by(model)))


def fused(results: Results) -> str | None:
    """The model that fuses most modalities; None in a plan without one that fuses several."""
    return next((model for model in reversed(models(results)) if len(read_by(model)) > 1), None)


def bars(results: Results) -> list[tuple[str, str]]:
    """Of Figure 3: model, and the modality with the star."""
    there = {(model_of(cell), starred(cell)[0]) for cell in results["cells"] if cell["experiment"] == "zero_shot"}
    return [(model, star) for model in models(results) for star in read_by(model) if (model, star) in there]


def own(results: Results) -> set[str]:
    """The modalities that all of a plan is about; Table 2 may have rows of others besides."""
    return set(results["modalities"]) - set(results.get("also", ()))


def model_label(results: Results, model: str) -> str:
    """A row of Table 2 or a line of Figure 2."""
    return reading(results["modalities"], read_by(model))


def reading(names: Mapping[str, str], read: list[str], star: str = "") -> str:
    """What a model reads: "Depth only", "Depth + Skeleton"; the star marks from which classes were hidden."""
    if star:
        ordered = [star, *(modality for modality in read if modality != star)]
        return " + ".join(names[modality] + "*" * (modality == star) for modality in ordered)
    return f"{names[read[0]]} only" if len(read) == 1 else " + ".join(names[modality] for modality in read)


def bar_label(results: Results, model: str, star: str) -> str:
    return reading(results["modalities"], read_by(model), star)


def cell_label(results: Results, cell: Cell) -> str:
    """Where a cell belongs, in words: "Figure 3: Depth* + Skeleton, 3 hidden, seed 0"."""
    label = reading(results["modalities"], cell["modalities"])
    if cell["experiment"] == "modalities":
        where = f"Table 2: {label}"
    elif cell["experiment"] == "subsets":
        where = f"Subsets: {label}"
    elif cell["experiment"] == "methods":
        where = f"{variant_label(cell['variant'])}: {label}"
    elif cell["experiment"] in VARIED:
        where = f"{VARIED[cell['experiment']]}: {variant_label(cell['variant'])}"
    elif cell["experiment"] == "ratio":
        where = f"Figure 2: {label}, {100 * cell['ratio']:g} % of the training data"
    else:
        star, count = starred(cell)
        where = f"Figure 3: {reading(results['modalities'], cell['modalities'], star)}, {count} hidden"
    fold = fold_of(cell)
    return f"{where}, seed {cell['seed']}" + (f", subject {fold} tested" if fold else "")


def variant_label(variant: str) -> str:
    """What a table says of a method; "" is the paper's."""
    return method(variant or DEFAULT).label


def fold_of(cell: Cell) -> str:
    """The subject tested, of a protocol that tests one after the other."""
    return cell.get("protocol", "").partition("/")[2]


def starred(cell: Cell) -> tuple[str, int]:
    """The modality whose classes were hidden, and how many were."""
    return next(((star, len(classes)) for star, classes in cell["hidden"].items() if classes), ("", 0))

"""Names of what stands in the report: a row of Table 2, a line of Figure 2, a bar of Figure 3, a cell.

A model is a modality or, of several, the stage that fuses them. What a modality shows gives its name: the word RGB
names a result of ours only where it is what was seen.
"""

from collections.abc import Mapping
from typing import Any

from models.methods import DEFAULT, method

Cell = dict[str, Any]
Results = dict[str, Any]
VARIED = {"stages": "Do two stages help", "fusions": "Ways to fuse"}  # experiments over methods


def named(label: str, shows: str | None) -> str:
    """A modality in the report: by what it shows ("RGB", "Depth", "Drawn figure"), else by its own label."""
    return shows[:1].upper() + shows[1:] if shows else label


def models(results: Results) -> list[str]:
    """Single modalities first, then what fuses them."""
    found = {cell["model"]: cell["modalities"] for cell in results["cells"]}
    return sorted(found, key=lambda model: (len(found[model]), found[model]))


def read_by(results: Results, model: str) -> list[str]:
    """The modalities of a model; of one that the plan hasn't, itself, or all that the plan is about."""
    known = [model] if model in results["modalities"] else list(results["modalities"])
    return next((cell["modalities"] for cell in results["cells"] if cell["model"] == model), known)


def fused(results: Results) -> str | None:
    """The model that fuses several modalities; None in a plan without one."""
    return next((model for model in models(results) if len(read_by(results, model)) > 1), None)


def singles(results: Results) -> list[str]:
    return [model for model in models(results) if len(read_by(results, model)) == 1]


def bars(results: Results) -> list[tuple[str, str]]:
    """Of Figure 3: model, and the modality with the star."""
    alone, together = singles(results), fused(results)
    return [(model, model) for model in alone] + [(together, star) for star in alone if together]


def model_label(results: Results, model: str) -> str:
    """A row of Table 2 or a line of Figure 2."""
    return reading(results["modalities"], read_by(results, model))


def reading(names: Mapping[str, str], read: list[str], star: str = "") -> str:
    """What a model reads: "Depth only", "Depth + Skeleton"; the star marks from which classes were hidden."""
    if star:
        ordered = [star, *(modality for modality in read if modality != star)]
        return " + ".join(names[modality] + "*" * (modality == star) for modality in ordered)
    return f"{names[read[0]]} only" if len(read) == 1 else " + ".join(names[modality] for modality in read)


def bar_label(results: Results, model: str, star: str) -> str:
    return reading(results["modalities"], read_by(results, model), star)


def cell_label(results: Results, cell: Cell) -> str:
    """Where a cell belongs, in words: "Figure 3: Depth* + Skeleton, 3 hidden, seed 0"."""
    label = reading(results["modalities"], cell["modalities"])
    if cell["experiment"] == "modalities":
        where = f"Table 2: {label}"
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

"""Subsets of the modalities: the score of each, what a modality adds to it, and what is left of the full fusion."""

from dataclasses import asdict
from statistics import fmean, stdev
from typing import Any

from orchestrator.report.labels import Cell, Results, model_label, models, read_by
from orchestrator.report.paired import Difference, Right, corrected, difference
from orchestrator.report.scores import ends_of, score, subset, values


def compared(results: Results, right: Right) -> list[dict[str, Any]]:
    """The rows of the table as results.json has them, smaller subsets first; empty for a plan without subsets.

    `top1` is the score of the network that was trained on the subset. `left` is that of the network that fuses all
    modalities when it is given the subset alone. Both are fractions of 1, as a mean over seeds with its sample standard
    deviation and its 95 % interval. `against` compares the row with each subset of one modality fewer, in points, with
    the fields of `Difference`; p-values are corrected by Holm's method over all comparisons of the table.
    """
    found = {model: cells for model in models(results) if (cells := subset(results, model))}
    pairs = [(model, less) for model in found for less in found if _is_one_more(model, less)]
    gaps = corrected([difference(found[model], found[less], right) for model, less in pairs])
    against: dict[str, list[dict[str, Any]]] = {model: [] for model in found}
    for (model, less), gap in zip(pairs, gaps, strict=True):
        against[model] += [{"modalities": read_by(less), **asdict(gap)}] if gap else []
    return [
        {
            "modalities": read_by(model),
            "protocol": results["protocol"],
            "clips": next((cell["n"] for cell in cells if cell.get("n")), None),
            "seeds": len(values(cells, "top1")),
            "top1": _fractions(cells),
            "left": _fractions(*_left(found, model)),
            "against": against[model],
        }
        for model, cells in found.items()
    ]


def table(results: Results) -> list[dict[str, Any]]:
    """The same rows with labels, and with scores that lead to their runs."""
    rows = results.get("subsets", [])
    found = {model: subset(results, model) for row in rows for model in ["+".join(row["modalities"])]}
    return [
        {
            "label": model_label(results, model),
            "clips": row["clips"],
            "top1": score(cells, "top1"),
            "f1": score(cells, "f1"),
            "left": score(_left(found, model)[0], "top1", _left(found, model)[1]),
            "against": [_text(results, gap) for gap in row["against"]],
        }
        for row, (model, cells) in zip(rows, found.items(), strict=True)
    ]


def _is_one_more(model: str, less: str) -> bool:
    return set(read_by(less)) < set(read_by(model)) and less.count("+") + 1 == model.count("+")


def _left(found: dict[str, list[Cell]], model: str) -> tuple[list[Cell], str]:
    """The cells of the network that fuses all, and which of their metrics are of this subset; no cells for itself."""
    largest = max(found, key=lambda other: other.count("+"))
    lacking = [modality for modality in read_by(largest) if modality not in read_by(model)]
    within = set(read_by(model)) < set(read_by(largest))
    return (found[largest], f"_without_{'_'.join(lacking)}") if within else ([], "")


def _fractions(cells: list[Cell], part: str = "") -> dict[str, Any] | None:
    found = [value / 100 for value in values(cells, f"top1{part}")]
    if not found:
        return None
    ends = ends_of(cells, "top1", part)
    return {
        "mean": fmean(found),
        "deviation": stdev(found) if len(found) > 1 else None,
        "interval": [end / 100 for end in ends] if ends else None,
    }


def _text(results: Results, gap: dict[str, Any]) -> str:
    """As in "IMU only: +4.96 [+2.36 to +7.56; p < 0.001, Holm = 0.003]"."""
    less = model_label(results, "+".join(gap["modalities"]))
    return f"{less}: {Difference(**{name: value for name, value in gap.items() if name != 'modalities'}).text}"

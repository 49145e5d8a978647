"""Rows that compare what was trained: each subset of the modalities, and variants of what fuses them."""

from dataclasses import asdict
from statistics import fmean, stdev
from typing import Any

from orchestrator.report import labels, scores
from orchestrator.report.labels import Cell, Results, model_label, models, read_by
from orchestrator.report.paired import Difference, Right, corrected, difference
from orchestrator.report.scores import ends_of, score, subset, values
from orchestrator.storage import metrics


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
            "top1": fractions(cells),
            "left": fractions(*_left(found, model)),
            "against": against[model],
        }
        for model, cells in found.items()
    ]


def subsets(results: Results) -> list[dict[str, Any]]:
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
    kept = set(read_by(model))
    parts = [part for part, of in metrics.lacking(read_by(largest)).items() if {*of} == {*read_by(largest)} - kept]
    return (found[largest], f"_{parts[0]}") if parts else ([], "")


def fractions(cells: list[Cell], part: str = "") -> dict[str, Any] | None:
    """Mean over seeds, sample standard deviation and 95 % interval of the top-1, as fractions of 1."""
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
    """As in "Skeleton only: +4.96 [+2.36 to +7.56; p < 0.001, Holm = 0.003]"."""
    less = model_label(results, "+".join(gap["modalities"]))
    return f"{less}: {Difference(**{name: value for name, value in gap.items() if name != 'modalities'}).text}"


def variants(results: Results, right: Right) -> list[dict[str, Any]]:
    """A table for each experiment over variants of a fused network; for other plans one of that alone."""
    tables = []
    for experiment, title in scores.VARIED.items():
        cells = {name: scores.variant(results, experiment, name) for name in scores.variants(results, experiment)}
        if cells:
            first = next((name for name in ("", "concatenation") if name in cells), next(iter(cells)))
            bases = {name: "dropout" if name == "attention-dropout" and "dropout" in cells else first for name in cells}
            rows = [
                _variant(results, labels.variant_label(name), found, cells[bases[name]], right)
                for name, found in cells.items()
            ]
            for row, base in zip(rows, bases.values(), strict=True):
                row["against"] += f" (against “{labels.variant_label(base)}”)" * bool(row["against"] and base != first)
            tables.append({"title": title, "rows": rows, "base": f"“{labels.variant_label(first)}”"})
    model = labels.fused(results) or ""
    whole = scores.modality(results, model)
    if (
        not tables
        and not (results.get("subsets") or results.get("methods"))
        and any(cell.get(f"top1_{part}") is not None for cell in whole for part in lacking(results))
    ):
        row = _variant(results, model_label(results, model), whole, whole, right)
        tables.append({"title": "What is left where a modality is missing", "rows": [row], "base": ""})
    return tables


def lacking(results: Results) -> dict[str, str]:
    """What a fused network is asked without: the metric's part, and its words."""
    names = results["modalities"]
    return {part: f"without {' and '.join(names[m] for m in of)}" for part, of in metrics.lacking(names).items()}


def _variant(results: Results, label: str, cells: list[Cell], base: list[Cell], right: Right) -> dict[str, Any]:
    gap = None if cells is base else difference(cells, base, right)
    left = [score(cells, "top1", f"_{part}") for part in lacking(results)]
    whole = {"top1": score(cells, "top1"), "f1": score(cells, "f1")}
    return {"label": label, "against": gap.text if gap else "", "left": left, **whole}

"""The table of methods: each method of Table 2 and ours, beside what was printed and what it costs."""

from collections.abc import Mapping
from dataclasses import asdict
from statistics import fmean
from typing import Any

from models.methods import DEFAULT, method
from orchestrator.plan import paper
from orchestrator.report import labels
from orchestrator.report.comparisons import fractions
from orchestrator.report.labels import Cell, Results
from orchestrator.report.paired import Difference, Right, corrected, difference
from orchestrator.report.scores import rows_of, score, values


def compared(results: Results, right: Right) -> list[dict[str, Any]]:
    """The rows of the table as results.json has them, in the plan's order; empty for a plan without methods.

    `top1` is as in `comparisons.compared`. `printed` is what the method's authors or the paper print, per cent, with
    the protocol it is of and whether that is this one. `tested` has those of the row's modalities that its predictions
    depend on. `against_ours` compares the row with our network of these, in points, with the fields of `Difference`;
    p-values are corrected by Holm's method over the table. `cost` is of one seed: core-seconds of all trainings that
    the row stands on, parameters of the network that is tested, and test clips a second, their reading and the
    statistics of BatchNorm included.
    """
    found = rows_of(results)
    ours = {read: cells for (name, read), cells in found.items() if name == DEFAULT}
    same = [ours.get(tested(name, read), []) if name != DEFAULT else [] for name, read in found]
    gaps = corrected([difference(cells, those, right) for cells, those in zip(found.values(), same, strict=True)])
    return [
        {
            "method": name,
            "modalities": list(read),
            "tested": list(tested(name, read)),
            "protocol": results["protocol"],
            "clips": next((cell["n"] for cell in cells if cell.get("n")), None),
            "seeds": len(values(cells, "top1")),
            "top1": fractions(cells),
            "printed": paper.reported(results["corpus"], name, read, results["protocol"]),
            "against_ours": asdict(gap) if gap else None,
            "cost": cost(results["runs"], cells),
        }
        for ((name, read), cells), gap in zip(found.items(), gaps, strict=True)
    ]


def tested(name: str, read: tuple[str, ...]) -> tuple[str, ...]:
    return method(name).stages(read)[-1].tested or read


def cost(runs: Mapping[str, dict[str, Any]], cells: list[Cell]) -> dict[str, float] | None:
    """Means over seeds; of a protocol of several folds, of one fold. None where no seed is done, or
    a run is of before its parameters were counted."""
    done = [(cell["n"] / len(cell["keys"]), key) for cell in cells if cell["status"] == "done" for key in cell["keys"]]
    if not done or any(runs[key].get("parameters") is None for _, key in done):
        return None
    behind = [sum(runs[k]["seconds"] * runs[k]["threads"] for k in _behind(runs, key)) for _, key in done]
    return {
        "core_seconds": fmean(behind),
        "parameters": fmean(runs[key]["parameters"] for _, key in done),
        "clips_per_second": sum(n for n, _ in done) / max(1e-9, sum(runs[k]["times"]["evaluation"] for _, k in done)),
    }


def _behind(runs: Mapping[str, dict[str, Any]], key: str) -> set[str]:
    return {key}.union(*(_behind(runs, parent) for parent in runs[key]["parents"].values()))


def rows(results: Results) -> list[dict[str, Any]]:
    """The same rows with labels, and with scores that lead to their runs."""
    found = rows_of(results)
    return [
        row
        | {
            "label": f"ours, recipe {results['recipe']}"
            if row["method"] == DEFAULT
            else labels.variant_label(row["method"]),
            "reads": labels.reading(results["modalities"], row["tested"]),
            "top1": score(cells, "top1"),
            "f1": score(cells, "f1"),
            "against": Difference(**row["against_ours"]).text if row["against_ours"] else "",
        }
        for row in results.get("methods", [])
        for cells in [found[row["method"], tuple(row["modalities"])]]
    ]

"""Cells of results.json, picked and labelled as rows of Table 2 and Figures 2 and 3, over seeds.

Nothing is computed but means, sample standard deviations and intervals.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from orchestrator.plan import paper
from orchestrator.report.labels import (
    VARIED,
    Cell,
    Results,
    bar_label,
    bars,
    fold_of,
    fused,
    model_label,
    model_of,
    models,
    own,
    starred,
)
from orchestrator.report.paired import interval_of, wilson
from orchestrator.storage.metrics import harmonic

METRICS = ("top1", "top5", "f1")
APART = {"seen": ("top1", "_seen"), "hidden": ("top1", "_hidden"), "harmonic": ("harmonic",)}  # Figure 3, by classes
WRIST = 21  # UTD-MHAD's one sensor is on the wrist for actions 1-21, on the thigh for 22-27 (dataset page)


@dataclass(frozen=True)
class Score:
    """A table's entry, per cent: the mean (and deviation) over seeds, and for each seed a text and its runs' keys.

    A run is named by the fold it is of, "" where a protocol has one.
    """

    text: str
    parts: list[tuple[str, list[tuple[str, str]]]]
    note: str = ""  # how many of the seeds the mean is over, where not all
    interval: str = ""  # 95 %, where there is one


def comparable(results: Results) -> bool:
    shows = {"video": results["video"]}
    return paper.comparable(results["corpus"], shows, results["protocol"], own(results))


# Which cells


def modality(results: Results, model: str) -> list[Cell]:
    """All the training data and nothing hidden, one cell a seed; from elsewhere in a plan without Table 2."""
    for experiment in ("modalities", "ratio", *VARIED, "subsets", "methods"):
        found = _pick(results, experiment, lambda cell: model_of(cell) == model and cell["ratio"] == 1)
        if found := [cell for cell in found if not cell.get("variant")]:
            return found
    return []


def looked_at(results: Results) -> str | None:
    """The run whose clips the appendix shows: what fuses all in Table 2, its first seed that is done."""
    cells = modality(results, fused(results) or "")
    return next((cell["keys"][0] for cell in cells if cell["status"] == "done"), None)


def variant(results: Results, experiment: str, name: str) -> list[Cell]:
    return _pick(results, experiment, lambda cell: cell["variant"] == name)


def variants(results: Results, experiment: str) -> list[str]:
    """In the plan's order."""
    return list(dict.fromkeys(cell["variant"] for cell in results["cells"] if cell["experiment"] == experiment))


def subset(results: Results, model: str) -> list[Cell]:
    return _pick(results, "subsets", lambda cell: model_of(cell) == model)


def rows_of(results: Results) -> dict[tuple[str, tuple[str, ...]], list[Cell]]:
    """Of the table of methods, in the plan's order: by method and by what its last stage reads."""
    found = _pick(results, "methods")
    named = dict.fromkeys((cell["method"], tuple(cell["modalities"])) for cell in found)
    return {row: [c for c in found if (c["method"], tuple(c["modalities"])) == row] for row in named}


def at_ratio(results: Results, model: str, ratio: float) -> list[Cell]:
    return _pick(results, "ratio", lambda cell: model_of(cell) == model and cell["ratio"] == ratio)


def zero_shot(results: Results, model: str, star: str, count: int) -> list[Cell]:
    """With the harmonic mean of the accuracies on seen and on hidden classes: high only where both are."""
    cells = _pick(results, "zero_shot", lambda cell: model_of(cell) == model and starred(cell) == (star, count))
    return [cell | {"harmonic": harmonic(cell.get("top1_seen"), cell.get("top1_hidden"))} for cell in cells]


def ratios(results: Results) -> list[float]:
    return sorted({cell["ratio"] for cell in _pick(results, "ratio")})


def hidden_counts(results: Results) -> list[int]:
    return sorted({starred(cell)[1] for cell in _pick(results, "zero_shot")})


def _pick(results: Results, experiment: str, wanted: Callable[[Cell], bool] = lambda _: True) -> list[Cell]:
    """One cell a seed, in order; of a protocol of several folds, one for all folds of a seed."""
    groups: dict[str, list[Cell]] = {}
    for cell in results["cells"]:
        if cell["experiment"] == experiment and wanted(cell):
            same = [cell.get(name) for name in ("modalities", "ratio", "hidden", "seed", "variant")]
            groups.setdefault(json.dumps(same), []).append(cell)
    return sorted((over_folds(cells) for cells in groups.values()), key=lambda cell: cell["seed"])


def over_folds(cells: list[Cell]) -> Cell:
    """The mean over folds where all are done; k and n are sums. `keys` are the runs behind it, by `folds`."""
    behind = {"keys": [cell["key"] for cell in cells], "folds": [fold_of(cell) for cell in cells]}
    if len(cells) == 1:
        return cells[0] | behind
    merged = cells[0] | behind | {"key": None}
    merged["status"] = next((cell["status"] for cell in cells if cell["status"] != "done"), "done")
    for name in cells[0]:
        if name in (*METRICS, "views") or (name[0] in "kn" and name != "key") or name.startswith("top1_"):
            values = [cell[name] for cell in cells]
            whole = None not in values
            merged[name] = (sum(values) if name[0] in "kn" else fmean(values)) if whole else None
    return merged


# Numbers


def values(cells: list[Cell], name: str) -> list[float]:
    """Per cent, one a seed that has the score."""
    return [100 * cell[name] for cell in cells if cell.get(name) is not None]


def score(cells: list[Cell], metric: str, part: str = "") -> Score:
    """`part` is "", "_seen" or "_hidden". A seed's text is k/n for top-1, else its value; its status where missing."""
    found = values(cells, metric + part)
    text = f"{fmean(found):.2f}" if found else "–"
    interval = ""
    if len(found) > 1:
        text += f" ± {stdev(found):.2f}"
    if ends := ends_of(cells, metric, part):
        interval = f"{ends[0]:.2f} to {ends[1]:.2f}"
    note = f"{len(found)} of {len(cells)} seeds" if 0 < len(found) < len(cells) else ""
    parts = [(_part(cell, metric, part, alone=len(cells) == 1), _runs(cell)) for cell in cells]
    return Score(text, parts, note, interval)


def ends_of(cells: list[Cell], metric: str, part: str = "") -> tuple[float, float] | None:
    """Of a score's 95 % interval: of the mean over seeds, or, of one seed's top-1, over clips (or performances)."""
    found = values(cells, metric + part)
    if len(found) > 1:
        return interval_of(found)
    return over_clips(cells, part) if metric == "top1" else None


def over_clips(cells: list[Cell], part: str = "") -> tuple[float, float] | None:
    """Wilson's 95 % interval of the top-1, per cent: of the mean over seeds, were other clips (performances) drawn."""
    scored = [cell for cell in cells if cell.get("top1" + part) is not None and cell.get("n" + part)]
    if not scored:
        return None
    right = fmean(cell["k" + part] for cell in scored)
    return wilson(right, scored[0]["n" + part], scored[0].get("views"))


def _runs(cell: Cell) -> list[tuple[str, str]]:
    return list(zip(cell["folds"], cell["keys"], strict=True))


def _part(cell: Cell, metric: str, part: str, alone: bool) -> str:
    value = cell.get(metric + part)
    if value is None:
        return "" if cell["status"] == "done" else cell["status"]
    if metric == "top1" and cell.get("k" + part) is not None:
        return f"{cell['k' + part]}/{cell['n' + part]}"
    return "" if alone else f"{100 * value:.2f}"


# Rows


def table2(results: Results) -> list[dict[str, Any]]:
    """A row for each model; subsets and methods have tables of their own."""
    out = []
    for model in models(results):
        if (cells := modality(results, model)) and cells[0]["experiment"] not in ("subsets", "methods"):
            entries = {metric: score(cells, metric) for metric in METRICS}
            out.append({"model": model, "label": model_label(results, model), **entries})
    return out


def sampling(results: Results) -> str:
    """What one clip weighs, and Wilson's 95 % interval of a mean over seeds, as a sentence."""
    for model in reversed(models(results)):
        cells = modality(results, model)
        if ends := over_clips(cells):
            n, top1 = next(cell["n"] for cell in cells if cell.get("n")), fmean(values(cells, "top1"))
            score = f"{model_label(results, model)}'s {top1:.1f} % at {ends[0]:.1f} to {ends[1]:.1f} (95 %)"
            weight = f"One test clip of {n} is {100 / n:.2f} points"
            return f"{weight}; drawing other clips alone would put {score}, drawing other subjects further"
    return ""


def figure2(results: Results) -> list[dict[str, Any]]:
    shares = ratios(results)
    cells = {model: [at_ratio(results, model, share) for share in shares] for model in models(results)}
    labelled = [(model_label(results, model), rows) for model, rows in cells.items() if any(rows)]
    return [{"label": label, "scores": [score(seeds, "top1") for seeds in rows]} for label, rows in labelled]


def figure3(results: Results) -> list[dict[str, Any]]:
    """Nothing hidden first, for reference, then the four bars of each count."""
    rows = [(0, model_label(results, model), modality(results, model)) for model in models(results)]
    for count in hidden_counts(results):
        for model, star in bars(results):
            label = bar_label(results, model, star)
            rows.append((count, label, zero_shot(results, model, star, count)))
    parts = {"top1": ("top1",), "f1": ("f1",)} | APART
    return [
        {"count": count, "label": label, **{name: score(cells, *which) for name, which in parts.items()}}
        for count, label, cells in rows
        if cells
    ]


def hidden_classes(results: Results) -> list[dict[str, Any]]:
    """Which classes were hidden, by name, and where the sensor was worn; bars and seeds that share a draw together."""
    draws: dict[tuple[int, ...], dict[str, Any]] = {}
    for count in hidden_counts(results):
        for model, star in bars(results):
            for cell in zero_shot(results, model, star, count):
                draw = draws.setdefault(tuple(sorted(cell["hidden"][star])), {"count": count, "bars": [], "seeds": []})
                label = bar_label(results, model, star)
                draw["bars"] += [label] if label not in draw["bars"] else []
                draw["seeds"] += [cell["seed"]] if cell["seed"] not in draw["seeds"] else []
    worn = paper.corpus_of(results["corpus"]) == "UTD-MHAD"
    for indices, draw in draws.items():
        where = [("wrist" if index < WRIST else "thigh") if worn else "" for index in indices]
        draw["classes"] = list(zip((results["classes"][index] for index in indices), where, strict=True))
    return list(draws.values())

"""results.json and the run folders in; one self-contained page, its plots, and tables for the terminal out."""

import base64
from collections import Counter
from collections.abc import Sequence
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import jinja2
from rich.table import Table
from rich.text import Text

from datasets.files.atomic import write_whole
from orchestrator.plan import paper
from orchestrator.report import claims, confusions, costs, figures, labels, paired, pictures, scores, subsets
from orchestrator.report.confusions import Predictions
from orchestrator.report.figures import Series
from orchestrator.report.labels import Results
from orchestrator.report.paired import Right, difference
from orchestrator.report.pictures import Look
from orchestrator.storage.store import RunFolder


def write(
    results: Results, runs: Path, folder: Path, beside: Sequence[Results] = (), looks: Sequence[Look] | str = ""
) -> Path:
    """Write report.html, images inlined, and its plots into `folder`; a run that is missing is named, not fatal.

    `beside` are results on other corpora, whose Table 2 stands below ours. `looks` are the appendix's clips, or why it
    has none; where nothing is given, those that were drawn of the same run before.
    """
    folder.mkdir(parents=True, exist_ok=True)
    predictions = {model: confusions.predictions(results, runs, model) for model in labels.models(results)}
    images = _draw(results, runs, predictions)
    pictured = _pictured(results, folder, looks)
    for name, png in images.items():
        (folder / f"{name}.png").write_bytes(png)
    content = _content(results, predictions, cache(lambda key: RunFolder(runs / key).right()))
    content["subjects"] = confusions.rows(results, runs, predictions, "subject")
    content["subject_names"] = sorted(set().union(*(row.total for row in content["subjects"])))
    content["by_class"] = confusions.rows(results, runs, predictions, "label")
    content["taken_for"] = confusions.taken_for(results, predictions.get(labels.fused(results) or "", []))
    content["beside"] = [_beside(other) for other in beside]
    content |= {"looks": pictured, "unseen": looks if isinstance(looks, str) else ""}
    for number, each in enumerate(pictured):
        images |= {f"look{number}_frames": each.frames, f"look{number}_signal": each.signal}
    content["images"] = {name: base64.b64encode(png).decode() for name, png in images.items()}
    path = folder / "report.html"
    write_whole(path, _environment().get_template("report.html.j2").render(content))
    return path


def _pictured(results: Results, folder: Path, looks: Sequence[Look] | str) -> list[pictures.Pictured]:
    run = scores.looked_at(results)
    if isinstance(looks, str):
        return [] if looks else pictures.kept(folder, run)
    return pictures.keep(folder, run or "", looks, results["protocol_text"])


def _environment() -> jinja2.Environment:
    # Class, corpus and file names come from outside, so all is escaped; jinja2's own choice by name misses ".html.j2".
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    environment.trim_blocks = environment.lstrip_blocks = True
    environment.filters["duration"] = costs.duration
    return environment


def _histories(results: Results, runs: Path) -> dict[tuple[int, str], list[list[dict[str, float]]]]:
    out = {}
    for model in labels.models(results):
        keys = [key for cell in scores.modality(results, model) for key in cell["keys"]]
        if seeds := [epochs for key in keys if (epochs := RunFolder(runs / key).history())]:
            out[colour(results, model), labels.model_label(results, model)] = seeds
    return out


# Plots


def _draw(results: Results, runs: Path, predictions: Predictions) -> dict[str, bytes]:
    """PNGs by the name of their file; a plot without a single value is left out."""
    images, protocol = {}, results["protocol_text"]
    lines = _lines(results)
    if any(line.points()[0] for line in lines):
        images["figure2"] = figures.ratio_lines(lines, protocol)
    accuracy, f1 = _bars(results, "top1"), _bars(results, "f1")
    if any(bars.points()[0] for bars in accuracy):
        images["figure3"] = figures.hidden_bars(accuracy, f1, protocol)
    for model, seeds in predictions.items():
        if seeds:
            title = f"{labels.model_label(results, model)}: per cent of each class's test clips"
            counts = confusions.confusion(results, seeds)
            images[f"confusion_{model}"] = figures.confusion(counts, results["classes"], title, protocol)
    if histories := _histories(results, runs):
        images["curves"] = figures.curves(histories, protocol)
    return images


def _lines(results: Results) -> list[Series]:
    out = []
    for model in labels.models(results):
        cells = {100 * share: scores.at_ratio(results, model, share) for share in scores.ratios(results)}
        printed = paper.with_less(results["corpus"], model) if scores.comparable(results) else {}
        out.append(_series(labels.model_label(results, model), colour(results, model), cells, "top1", printed))
    return out


def _bars(results: Results, metric: str) -> list[Series]:
    out = []
    for model, star in labels.bars(results):
        counts = scores.hidden_counts(results)
        cells = {float(x): scores.zero_shot(results, model, star, x) for x in counts}
        printed = paper.with_hidden(results["corpus"], model) if metric == "top1" and scores.comparable(results) else {}
        out.append(_series(labels.bar_label(results, model, star), colour(results, model), cells, metric, printed))
    return out


def colour(results: Results, model: str) -> int:
    """By number: a modality keeps its own, whatever a plan has besides; those of what fuses several come after."""
    alone = list(results["modalities"])
    return [*alone, *(other for other in labels.models(results) if other not in alone)].index(model)


def _series(label: str, colour: int, cells: dict[float, list[scores.Cell]], metric: str, printed: dict) -> Series:
    values = {x: scores.values(at, metric) for x, at in cells.items()}
    return Series(label, colour, values, {x: scores.ends_of(at, metric) for x, at in cells.items()}, printed)


# Tables


def _content(results: Results, predictions: Predictions, right: Right) -> dict[str, Any]:
    """All the template prints."""
    corpus = paper.corpus_of(results["corpus"])
    return {
        "results": results,
        "names": " + ".join(results["modalities"].values()),
        "fused": labels.fused(results),
        "lacking": _lacking(results),
        "comparable": scores.comparable(results),
        "paper_corpus": corpus,
        "papers_modalities": set(results["modalities"]) == paper.MODALITIES,
        "paper_protocol": paper.PROTOCOLS.get(corpus or ""),
        "paper_rows": [{**row, **row[corpus]} for row in paper.TABLE2] if corpus else [],
        "labels": {model: labels.model_label(results, model) for model in labels.models(results)},
        "statuses": Counter(cell["status"] for cell in results["cells"]),
        "missing": [cell for cell in results["cells"] if cell["status"] != "done"],
        "cell_label": lambda cell: labels.cell_label(results, cell),
        "table2": scores.table2(results),
        "sampling": scores.sampling(results),
        "folds": any(labels.fold_of(cell) for cell in results["cells"]),
        "ratios": scores.ratios(results),
        "figure2": scores.figure2(results),
        "figure3": scores.figure3(results),
        "hidden_classes": scores.hidden_classes(results),
        "claim_note": claims.NOTE,
        "difference_note": paired.NOTE,
        "claims": claims.all_of(results, right),
        "variants": _variants(results, right),
        "subsets": subsets.table(results),
        "run_rows": costs.runs(results),
        "times": costs.times(results),
    }


def _beside(results: Results) -> dict[str, Any]:
    printed = {row["model"]: row for row in paper.TABLE2}
    corpus = paper.corpus_of(results["corpus"])
    rows = [row | {"paper": printed.get(row["model"], {}).get(corpus or "", {})} for row in scores.table2(results)]
    return {"results": results, "rows": rows, "comparable": scores.comparable(results)}


def _variants(results: Results, right: Right) -> list[dict[str, Any]]:
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
        and not results.get("subsets")
        and any(cell.get(f"top1_{part}") is not None for cell in whole for part in _lacking(results))
    ):
        row = _variant(results, labels.model_label(results, model), whole, whole, right)
        tables.append({"title": "What is left where a modality is missing", "rows": [row], "base": ""})
    return tables


def _lacking(results: Results) -> dict[str, str]:
    """What a fused network is asked without: the metric's part, and its words."""
    names = results["modalities"]
    missing = [of for count in range(1, len(names)) for of in combinations(names, count)]
    return {f"without_{'_'.join(of)}": f"without {' and '.join(names[m] for m in of)}" for of in missing}


def _variant(
    results: Results, label: str, cells: list[scores.Cell], base: list[scores.Cell], right: Right
) -> dict[str, Any]:
    gap = None if cells is base else difference(cells, base, right)
    left = [scores.score(cells, "top1", f"_{part}") for part in _lacking(results)]
    whole = {"top1": scores.score(cells, "top1"), "f1": scores.score(cells, "f1")}
    return {"label": label, "against": gap.text if gap else "", "left": left, **whole}


# The terminal


def tables(results: Results) -> list[Table]:
    """Table 2 and Figures 2 and 3 for the terminal; the paper's numbers stand apart unless they compare."""
    out = [_terminal_table2(results), *_terminal_subsets(results)]
    if not scores.comparable(results) and not results.get("subsets"):
        out.append(_terminal_paper(results))
    if shares := scores.ratios(results):
        out.append(_rich(results, "Figure 2: top-1 by share of the training data", [f"{100 * r:g} %" for r in shares]))
        for row in scores.figure2(results):
            _add(out[-1], row["label"], *(_with_counts(score) for score in row["scores"]))
    out += _terminal_figure3(results)
    for table in _variants(results, lambda key: None):
        out.append(_rich(results, table["title"], ["top-1", "F1", *_lacking(results).values()]))
        for row in table["rows"]:
            entries = (row["top1"], row["f1"], *row["left"])
            _add(out[-1], row["label"], *(_with_counts(score) for score in entries))
    return [table for table in out if table.row_count]


def _terminal_table2(results: Results) -> Table:
    beside = scores.comparable(results)
    title = "Table 2" if results["seeds"] == 1 else "Table 2, below a mean its 95 % interval"
    table = _rich(results, title, ["top-1", "top-5", "F1", *(["paper: top-1", "top-5", "F1"] if beside else [])])
    for row in scores.table2(results):
        printed = (paper.printed(results["corpus"], row["model"]) or {}) if beside else {}
        theirs = [f"{100 * value:.2f}" for value in printed.values()]
        interval = "" if results["seeds"] == 1 else f"\n{row['top1'].interval}"
        _add(table, row["label"], _with_counts(row["top1"]) + interval, row["top5"].text, row["f1"].text, *theirs)
    return table


def _terminal_subsets(results: Results) -> list[Table]:
    """The scores, and apart from them the comparisons: a terminal has no room for both side by side."""
    whole = _rich(results, "Subsets of the modalities", ["top-1", "F1", "clips", "left of the full fusion"])
    against = _rich(results, "Subsets against one modality fewer", ["points of top-1"])
    for row in subsets.table(results):
        entries = (row["top1"], row["f1"], row["left"])
        top1, f1, left = (_with_counts(score) + f"\n{score.interval}" * bool(score.interval) for score in entries)
        _add(whole, row["label"], top1, f1, str(row["clips"] or "–"), left)
        if row["against"]:
            _add(against, row["label"], "\n".join(row["against"]))
    return [whole, against]


def _terminal_figure3(results: Results) -> list[Table]:
    counts = scores.hidden_counts(results)
    columns = [f"{x} hidden" for x in counts]
    whole = _rich(results, "Figure 3: top-1, F1 by classes hidden", columns)
    parts = _rich(results, "Figure 3: top-1 on seen, on hidden classes, their harmonic mean", columns)
    for model, star in labels.bars(results) if counts else ():
        label = labels.bar_label(results, model, star)
        cells = [scores.zero_shot(results, model, star, x) for x in counts]
        entries = [(_with_counts(scores.score(at, "top1")), scores.score(at, "f1").text) for at in cells]
        _add(whole, label, *map(", ".join, entries))
        _add(parts, label, *(", ".join(scores.score(at, *of).text for of in scores.APART.values()) for at in cells))
    return [whole, parts]


def _terminal_paper(results: Results) -> Table:
    theirs = paper.PROTOCOLS.get(paper.corpus_of(results["corpus"]) or "", "")
    table = Table(title="The paper's RGB numbers, a distant reference", caption=f"protocol {theirs}", min_width=48)
    for name in ("", "top-1", "top-5", "F1"):
        table.add_column(name, justify="right" if name else "left")
    for row in paper.TABLE2:
        if row["model"] and (printed := paper.printed(results["corpus"], row["model"])):
            _add(table, row["method"], *(f"{100 * value:.2f}" for value in printed.values()))
    return table


def _rich(results: Results, title: str, columns: list[str]) -> Table:
    caption = f"per cent; {results['protocol_text']}; {results['scale_text']}"
    table = Table(title=Text(f"{title}, {results['corpus']}"), caption=Text(caption), min_width=60)
    table.add_column("")
    for name in columns:
        table.add_column(name, justify="right")
    return table


def _add(table: Table, *entries: str) -> None:
    table.add_row(*(Text(entry) for entry in entries))  # a plain string would be read as markup: "[depth]" vanishes


def _with_counts(score: scores.Score) -> str:
    """With one seed its k/n; with several they would fill the screen, and the page lists them."""
    beside = score.parts[0][0] if len(score.parts) == 1 else score.note
    return f"{score.text} ({beside})" if beside else score.text

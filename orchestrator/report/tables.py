"""The report's tables for the terminal."""

from typing import Any

from rich.table import Table
from rich.text import Text

from orchestrator.plan import paper
from orchestrator.report import comparisons, labels, methods, scores
from orchestrator.report.labels import Results


def tables(results: Results) -> list[Table]:
    """Table 2 and Figures 2 and 3 for the terminal.

    The paper's numbers stand below a Table 2 that they don't compare with.
    """
    table2 = _terminal_table2(results)
    out = [table2, _terminal_methods(results), *_terminal_subsets(results)]
    if table2.row_count and not scores.comparable(results) and not results.get("methods"):
        out.append(_terminal_paper(results))
    if shares := scores.ratios(results):
        out.append(_rich(results, "Figure 2: top-1 by share of the training data", [f"{100 * r:g} %" for r in shares]))
        for row in scores.figure2(results):
            _add(out[-1], row["label"], *(_with_counts(score) for score in row["scores"]))
    out += _terminal_figure3(results)
    out += [_terminal_variants(results, table) for table in comparisons.variants(results, lambda key: None)]
    return [table for table in out if table.row_count]


def _terminal_variants(results: Results, variants: dict[str, Any]) -> Table:
    """What is left without a modality stands beside the score, or, of three modalities or more, below it."""
    lacking = list(comparisons.lacking(results).values())
    below = len(lacking) > 2
    table = _rich(results, variants["title"], ["top-1", "F1", *([] if below else lacking)])
    for row in variants["rows"]:
        left = [_with_counts(score) for score in row["left"]]
        _add(table, row["label"], _with_counts(row["top1"]), _with_counts(row["f1"]), *([] if below else left))
        for words, score in zip(lacking, left, strict=True) if below else ():
            _add(table, f"  {words}", score)
    return table


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


def _terminal_methods(results: Results) -> Table:
    """Printed numbers of another protocol stand in brackets; the page says which it is."""
    table = _rich(results, "Table 2 with every method trained here", ["tested on", "top-1", "printed", "core-s"])
    for row in methods.rows(results):
        printed, cost = row["printed"], row["cost"]
        theirs = (f"{printed['top1']:.2f}" if printed["same"] else f"({printed['top1']:.2f})") if printed else "–"
        top1 = _with_counts(row["top1"]) + f"\n{row['top1'].interval}" * bool(row["top1"].interval)
        _add(table, row["label"], row["reads"], top1, theirs, f"{cost['core_seconds']:.0f}" if cost else "–")
    return table


def _terminal_subsets(results: Results) -> list[Table]:
    """The scores, and apart from them the comparisons: a terminal has no room for both side by side."""
    whole = _rich(results, "Subsets of the modalities", ["top-1", "F1", "clips", "left of the full fusion"])
    against = _rich(results, "Subsets against one modality fewer", ["points of top-1"])
    for row in comparisons.subsets(results):
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

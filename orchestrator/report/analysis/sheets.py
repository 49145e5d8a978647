"""The tables of the report as CSV, with numbers that aren't rounded: scores in per cent, intervals at 95 %."""

import csv
import io
import re
from collections.abc import Iterable, Mapping
from statistics import fmean, stdev
from typing import Any

from orchestrator.plan import paper
from orchestrator.report import comparisons, labels, scores
from orchestrator.report.analysis import costs
from orchestrator.report.analysis.calibration import Row
from orchestrator.report.labels import Cell, Results
from orchestrator.report.verdicts import Claim

Line = dict[str, Any]


def sheets(results: Results, content: Mapping[str, Any]) -> dict[str, str]:
    """By the name of its file the CSV of each table that has rows. `content` is what the page prints."""
    tables = {
        "table2": _table2(results, content["baselines"]),
        "paper": [_plain(row) for row in content["paper_rows"]],
        "claims": [_claim(part, claim) for part, claims in content["claims"].items() for claim in claims],
        "subsets": _subsets(results),
        "methods": [_method(results, row) for row in content["methods"]],
        "variants": _variants(results),
        "figure2": _figure2(results),
        "figure3": _figure3(results),
        "calibration": [_calibration(row) for row in content["calibration"]],
        "subjects": _shares(content["subjects"], "subject", {}),
        "classes": _shares(content["by_class"], "class", dict(enumerate(results["classes"]))),
        "runs": [_run(row) for row in content["run_rows"]],
        "times": [{"label": row["label"], "runs": row["runs"], **row["parts"]} for row in costs.times(results)],
    }
    if content["changes"]:
        tables["changes"] = [
            {"row": m.label, "before": m.before.text, "now": m.now.text, "difference": m.difference, "how": m.how}
            for m in content["changes"].moved
        ]
    return {name: written(lines) for name, lines in tables.items() if lines}


def written(lines: list[Line]) -> str:
    """A column for each name that any line has."""
    names = list(dict.fromkeys(name for line in lines for name in line))
    text = io.StringIO()
    out = csv.DictWriter(text, names, lineterminator="\n")
    out.writeheader()
    out.writerows({name: _harmless(value) for name, value in line.items()} for line in lines)
    return text.getvalue()


def _harmless(value: Any) -> Any:
    """Names come from outside, and a spreadsheet takes a text that begins like a formula for one."""
    return f"'{value}" if isinstance(value, str) and re.match(r"[=@\t\r]|[+-](?!\d)", value) else value


def scored(cells: list[Cell], metrics: Iterable[str] = scores.METRICS) -> Line:
    """Mean, sample standard deviation and interval of each metric over seeds; k of n are clips of all of them."""
    line: Line = {"seeds": len(scores.values(cells, "top1"))}
    for metric in metrics:
        found = scores.values(cells, metric)
        low, high = scores.ends_of(cells, metric) or (None, None)
        line[metric] = fmean(found) if found else None
        line |= {f"{metric}_deviation": stdev(found) if len(found) > 1 else None}
        line |= {f"{metric}_low": low, f"{metric}_high": high}
    for name in ("k", "n"):
        line[name] = sum(cell[name] for cell in cells if cell.get(name) is not None)
    return line


def _table2(results: Results, baselines: list[Line]) -> list[Line]:
    trained = [
        {"method": "trained", "reads": row["label"], **scored(scores.modality(results, row["model"]))}
        for row in scores.table2(results)
    ]
    return [*trained, *({"method": b["method"], "reads": b["label"], **scored(b["cells"])} for b in baselines)]


def _subsets(results: Results) -> list[Line]:
    lines = []
    for row in results.get("subsets", []):
        model = "+".join(row["modalities"])
        line = {"reads": labels.model_label(results, model), **scored(scores.subset(results, model))}
        against = {"+".join(gap["modalities"]): gap for gap in row["against"]}
        for less, gap in against.items():
            lines.append(line | {"against": less} | {n: gap[n] for n in ("points", "low", "high", "p", "holm")})
        lines += [] if against else [line]
    return lines


def _method(results: Results, row: Line) -> Line:
    cells = scores.rows_of(results)[row["method"], tuple(row["modalities"])]
    line = {"method": row["method"], "label": row["label"], "tested_on": row["reads"], **scored(cells)}
    gap, printed, cost = (row[name] or {} for name in ("against_ours", "printed", "cost"))
    line |= {name: gap.get(name) for name in ("points", "low", "high", "p", "holm")}
    line |= {"printed": printed.get("top1"), "printed_of": printed.get("of"), "same_protocol": printed.get("same")}
    return line | {name: cost.get(name) for name in ("core_seconds", "parameters", "clips_per_second")}


def _variants(results: Results) -> list[Line]:
    left = [f"top1_{part}" for part in comparisons.lacking(results)]
    fused = labels.fused(results)
    if fused and not any(scores.variants(results, experiment) for experiment in labels.VARIED):
        cells = scores.modality(results, fused)
        shown = any(scores.values(cells, name) for name in left)
        return [{"network": labels.model_label(results, fused), **scored(cells, (*scores.METRICS, *left))}] * shown
    return [
        {
            "experiment": title,
            "network": labels.variant_label(name),
            **scored(scores.variant(results, experiment, name), (*scores.METRICS, *left)),
        }
        for experiment, title in labels.VARIED.items()
        for name in scores.variants(results, experiment)
    ]


def _figure2(results: Results) -> list[Line]:
    return [
        {"reads": labels.model_label(results, model), "ratio": share, **scored(cells)}
        for model in labels.models(results)
        for share in scores.ratios(results)
        if (cells := scores.at_ratio(results, model, share))
    ]


def _figure3(results: Results) -> list[Line]:
    metrics = (*scores.METRICS, "top1_seen", "top1_hidden", "harmonic")
    return [
        {"reads": labels.bar_label(results, model, star), "hidden": count, **scored(cells, metrics)}
        for model, star in labels.bars(results)
        for count in scores.hidden_counts(results)
        if (cells := scores.zero_shot(results, model, star, count))
    ]


def _claim(part: str, claim: Claim) -> Line:
    return {"part": part} | {name: value for name, value in _plain(vars(claim)).items() if name != "runs"}


def _calibration(row: Row) -> Line:
    columns = {"error": row.error, "confidence_less_accuracy": row.above}
    columns |= {f"top1_on_{100 * share:g}_percent": found for share, found in row.covered.items()}
    line: Line = {"reads": row.label, "seeds": len(row.error)}
    for name, found in columns.items():
        line |= {name: fmean(found), f"{name}_deviation": stdev(found) if len(found) > 1 else None}
    return line


def _shares(rows: list[Any], by: str, names: Mapping[int, str]) -> list[Line]:
    return [
        {"reads": row.label, by: names.get(at, at), "right": row.right[at], "clips": row.total[at]}
        for row in rows
        for at in sorted(row.total)
    ]


def _run(row: Line) -> Line:
    names = ("key", "name", "kind", "status", "seconds", "reason")
    parents = " ".join(f"{role}={key}" for role, key in (row["parents"] or {}).items())
    return {name: row[name] for name in names} | {"parents": parents, "gives": "; ".join(row["cells"])}


def _plain(row: Mapping[str, Any]) -> Line:
    """What a cell of a spreadsheet can hold."""
    kept = {name: value for name, value in row.items() if name not in paper.CORPORA}
    joined = {n: "; ".join(map(str, v)) if isinstance(v, list | tuple) else v for n, v in kept.items()}
    return {n: v.replace("\u00a0", " ") if isinstance(v, str) else v for n, v in joined.items()}

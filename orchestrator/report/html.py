"""results.json and the run folders in; one self-contained page with its plots out."""

import base64
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2

from datasets.files.atomic import write_whole
from orchestrator.plan import paper
from orchestrator.report import (
    claims,
    comparisons,
    confusions,
    labels,
    methods,
    paired,
    pictures,
    scores,
)
from orchestrator.report.analysis import baselines, calibration, costs, mistakes, plots, sheets, summary
from orchestrator.report.analysis.mistakes import Mistake
from orchestrator.report.confusions import Predictions
from orchestrator.report.labels import Results
from orchestrator.report.paired import Right
from orchestrator.report.pictures import Look
from orchestrator.storage.run_folder import RunFolder
from orchestrator.storage.store import Store

if TYPE_CHECKING:
    from orchestrator.report.analysis.changes import Changes


def write(
    results: Results,
    runs: Path,
    folder: Path,
    beside: Sequence[Results] = (),
    looks: Sequence[Look] | str = "",
    confused: Sequence[Mistake] | None = None,
    changes: "Changes | None" = None,
) -> Path:
    """Write report.html, images inlined, its plots and its tables as CSV into `folder`; a run that is missing is named,
    not fatal.

    `beside` are results on other corpora, whose Table 2 stands below ours. `looks` are the appendix's clips, or why it
    has none, and `confused` those that were named wrongly; where nothing is given, those that were drawn of the same
    run before. `changes` are those since another report.
    """
    folder.mkdir(parents=True, exist_ok=True)
    predictions = {model: confusions.predictions(results, runs, model) for model in labels.models(results)}
    images = plots.draw(results, runs, predictions)
    clips = _pictured(results, folder, looks, confused)
    for name, png in images.items():
        (folder / f"{name}.png").write_bytes(png)
    content = _content(results, predictions, cache(lambda key: RunFolder(runs / key).right()))
    content["subjects"] = confusions.rows(results, runs, predictions, "subject")
    content["subject_names"] = sorted(set().union(*(row.total for row in content["subjects"])))
    content["by_class"] = confusions.rows(results, runs, predictions, "label")
    content["taken_for"] = confusions.taken_for(results, predictions.get(labels.fused(results) or "", []))
    content["beside"] = [_beside(other) for other in beside]
    content["calibration"] = calibration.rows(results, runs)
    content["baselines"], content["no_baselines"] = baselines.rows(results, Store(runs.parent), folder)
    content |= {"looks": clips["look"], "mistakes": clips[mistakes.NAME], "changes": changes}
    content["unseen"] = looks if isinstance(looks, str) else ""
    for kind, pictured in clips.items():
        for number, each in enumerate(pictured):
            images |= {f"{kind}{number}_frames": each.frames, f"{kind}{number}_signal": each.signal}
    content["images"] = {name: _base64(png) for name, png in images.items()}
    content["sheets"] = _sheets(results, content, folder)
    path = folder / "report.html"
    write_whole(path, _environment().get_template("report.html.j2").render(content))
    return path


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _pictured(
    results: Results, folder: Path, looks: Sequence[Look] | str, confused: Sequence[Mistake] | None
) -> dict[str, list[pictures.Pictured]]:
    """By the name of their files: what is given is drawn and kept, else there is what was kept."""
    run, drawn = scores.looked_at(results), {}
    if not isinstance(looks, str):
        drawn["look"] = pictures.draw(looks, results["protocol_text"])
    if confused is not None:
        drawn[mistakes.NAME] = mistakes.drawn(confused)
    for name, clips in drawn.items():
        pictures.keep(folder, run or "", clips, name)
    found = {
        name: drawn[name] if name in drawn else pictures.kept(folder, run, name) for name in ("look", mistakes.NAME)
    }
    return found | ({"look": []} if looks and isinstance(looks, str) else {})


def _sheets(results: Results, content: dict[str, Any], folder: Path) -> dict[str, str]:
    """Written beside the page; in it they are links that hold the content, since the page is mailed alone."""
    found = {f"{name}.csv": text for name, text in sheets.sheets(results, content).items()}
    for name, text in found.items():
        write_whole(folder / name, text)
    return {name: _base64(text.encode()) for name, text in found.items()}


def _environment() -> jinja2.Environment:
    # Class, corpus and file names come from outside, so all is escaped; jinja2's own choice by name misses ".html.j2".
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    environment.trim_blocks = environment.lstrip_blocks = True
    environment.filters |= {"duration": costs.duration, "over_seeds": calibration.text}
    return environment


def _content(results: Results, predictions: Predictions, right: Right) -> dict[str, Any]:
    """All the template prints."""
    corpus = paper.corpus_of(results["corpus"])
    judged = claims.all_of(results, right)
    read = {modality for cell in results["cells"] for modality in cell["modalities"]}  # --only leaves out others
    return {
        "results": results,
        "names": " + ".join(name for m, name in results["modalities"].items() if m in read),
        "fused": labels.fused(results),
        "lacking": comparisons.lacking(results),
        "comparable": scores.comparable(results),
        "paper_corpus": corpus,
        "papers_modalities": labels.own(results) == paper.MODALITIES,
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
        "claims": judged,
        "verdicts": summary.by_verdict(judged),
        "counted": summary.COUNTED,
        "named": summary.NAMED,
        "best": summary.best(results, right),
        "trained": summary.trained(results),
        "coverages": calibration.COVERAGES,
        "variants": comparisons.variants(results, right),
        "subsets": comparisons.subsets(results),
        "methods": methods.rows(results),
        "run_rows": costs.runs(results),
        "times": costs.times(results),
    }


def _beside(results: Results) -> dict[str, Any]:
    printed = {row["model"]: row for row in paper.TABLE2}
    corpus = paper.corpus_of(results["corpus"])
    rows = [row | {"paper": printed.get(row["model"], {}).get(corpus or "", {})} for row in scores.table2(results)]
    return {"results": results, "rows": rows, "comparable": scores.comparable(results)}

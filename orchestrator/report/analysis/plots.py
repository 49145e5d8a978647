"""The plots of the report: which there are, and what each shows."""

from collections.abc import Sequence
from pathlib import Path

from orchestrator.plan import paper
from orchestrator.report import confusions, figures, labels, scores
from orchestrator.report.analysis import calibration
from orchestrator.report.confusions import Predictions
from orchestrator.report.figures import Series
from orchestrator.report.labels import Results
from orchestrator.storage.run_folder import RunFolder


def draw(results: Results, runs: Path, predictions: Predictions) -> dict[str, bytes]:
    """PNGs by the name of their file; a plot without a single value is left out."""
    images, protocol = {}, results["protocol_text"]
    # A model that is trained with all the data alone has no line.
    lines = [line for line in _lines(results) if any(at for x, at in line.values.items() if x < 100)]
    if any(line.points()[0] for line in lines):
        images["figure2"] = figures.ratio_lines(lines, protocol)
    rows = [row for row in results.get("subsets", []) if row["top1"]]
    if rows:
        shown = [(labels.reading(results["modalities"], row["modalities"]), row["top1"]) for row in rows]
        dots = [(name, 100 * top1["mean"], _per_cent(top1["interval"])) for name, top1 in shown]
        images["subsets"] = figures.dots(dots, protocol)
    accuracy, f1 = _bars(results, "top1"), _bars(results, "f1")
    if any(bars.points()[0] for bars in accuracy):
        images["figure3"] = figures.hidden_bars(accuracy, f1, protocol)
    for model, seeds in predictions.items():
        if seeds:
            title = f"{labels.model_label(results, model)}: per cent of each class's test clips"
            counts = confusions.confusion(results, seeds)
            images[f"confusion_{model}"] = figures.confusion(counts, results["classes"], title, protocol)
    sure = {
        (colour(results, m), labels.model_label(results, m)): calibration.seeds(results, runs, m) for m in predictions
    }
    if sure := {name: seeds for name, seeds in sure.items() if seeds}:
        images["calibration"] = calibration.draw(sure, protocol)
    if histories := _histories(results, runs):
        images["curves"] = figures.curves(histories, protocol)
    return images


def _histories(results: Results, runs: Path) -> dict[tuple[int, str], list[list[dict[str, float]]]]:
    out = {}
    for model in labels.models(results):
        keys = [key for cell in scores.modality(results, model) for key in cell["keys"]]
        if seeds := [epochs for key in keys if (epochs := RunFolder(runs / key).history())]:
            out[colour(results, model), labels.model_label(results, model)] = seeds
    return out


def _per_cent(ends: Sequence[float] | None) -> tuple[float, float] | None:
    return (100 * ends[0], 100 * ends[1]) if ends else None


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

"""Whether a model's confidence is worth what it says: reliability, expected calibration error, accuracy by coverage.

A clip's confidence is the probability of the class it is named. Nothing is fitted: the numbers describe the
probabilities that the runs left for their test clips. N clips, K classes.
"""

from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from orchestrator.report import confusions, figures, labels
from orchestrator.report.labels import Results
from orchestrator.storage.run_folder import RunFolder

BINS = 15  # of equal width, as in Guo et al. 2017
COVERAGES = (1.0, 0.9, 0.75, 0.5)
LEAST = 10  # clips of a bin that is drawn

Seed = tuple[np.ndarray, np.ndarray]  # confidence (N,) and whether the clip was named rightly (N,)


@dataclass(frozen=True)
class Row:
    """A model's numbers in per cent, each with a value a seed: the expected calibration error, by how much the mean
    confidence is above the accuracy, and the accuracy on the surest clips by their share."""

    label: str
    keys: list[str]
    error: list[float]
    above: list[float]
    covered: dict[float, list[float]]


def seeds(results: Results, runs: Path, model: str) -> list[Seed]:
    """Those that are done and left their predictions; the folds of a protocol of several are taken together."""
    return [_seed([runs / key for key in keys]) for keys in confusions.runs_of(results, runs, model)]


def _seed(folders: list[Path]) -> Seed:
    tables = [RunFolder(folder).predictions(["label", "predicted", "probabilities"]) for folder in folders]
    sure = [np.stack(table["probabilities"].to_numpy()).max(axis=1) for table in tables]
    right = [table["label"].to_numpy() == table["predicted"].to_numpy() for table in tables]
    return np.concatenate(sure), np.concatenate(right)


def bins(confidence: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(BINS,) each: how many clips, their mean confidence, and their accuracy; NaN where there are none."""
    at = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    count = np.bincount(at, minlength=BINS)
    with np.errstate(invalid="ignore"):
        return count, np.bincount(at, confidence, BINS) / count, np.bincount(at, right.astype(float), BINS) / count


def expected_error(confidence: np.ndarray, right: np.ndarray) -> float:
    """The mean distance of confidence and accuracy over bins, weighted by their clips (ECE).

    C. Guo et al., On calibration of modern neural networks, ICML 2017, equation 3.
    """
    count, sure, accuracy = bins(confidence, right)
    return float(np.nansum(count * np.abs(sure - accuracy)) / count.sum())


def covered(confidence: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(N,): the accuracy on the surest clip, the two surest, and so on to all. Equally sure ones keep their order."""
    order = np.argsort(-confidence, kind="stable")
    return np.cumsum(right[order]) / np.arange(1, len(order) + 1)


def rows(results: Results, runs: Path) -> list[Row]:
    """A row for each model that left predictions."""
    out = []
    for model in labels.models(results):
        if found := seeds(results, runs, model):
            keys = [key for of_seed in confusions.runs_of(results, runs, model) for key in of_seed]
            error = [100 * expected_error(*seed) for seed in found]
            above = [100 * float(sure.mean() - right.mean()) for sure, right in found]
            curves = [covered(*seed) for seed in found]
            surest = {
                share: [100 * float(of[max(1, round(share * len(of))) - 1]) for of in curves] for share in COVERAGES
            }
            out.append(Row(labels.model_label(results, model), keys, error, above, surest))
    return out


def text(values: list[float], sign: str = "") -> str:
    """As in "4.20 ± 0.31": the mean over seeds and, of several, their sample standard deviation."""
    found = f"{fmean(values):{sign}.2f}" + (f" ± {stdev(values):.2f}" if len(values) > 1 else "")
    return found.replace("-", "−")


@rc_context(figures.LETTERS)
def draw(found: dict[tuple[int, str], list[Seed]], protocol: str = "") -> bytes:
    """By (colour, label): accuracy against confidence, all seeds together, beside accuracy against coverage, as PNG."""
    figure = Figure(figsize=(6, 7.6), layout="constrained")
    above, below = figure.subplots(2, 1)
    above.plot([0, 100], [0, 100], color="#888888", linestyle=":", linewidth=1.5)
    for (colour, label), of_model in found.items():
        confidence, right = (np.concatenate(part) for part in zip(*of_model, strict=True))
        style = {"color": figures.COLOURS[colour % len(figures.COLOURS)], "linewidth": 2}
        count, sure, accuracy = bins(confidence, right)
        drawn = count >= min(LEAST, count.max())
        above.plot(100 * sure[drawn], 100 * accuracy[drawn], marker="o", label=label, **style)
        curve = covered(confidence, right)
        share = np.arange(1, len(curve) + 1) / len(curve)
        below.plot(100 * share[LEAST:], 100 * curve[LEAST:], **style)  # of a few clips it jumps
    above.set(xlabel="confidence (%)", ylabel="accuracy (%)", xlim=(0, 102), ylim=(0, 102))
    below.set(xlabel="share of the clips that is answered, surest first (%)", ylabel="accuracy (%)")
    below.set(xlim=(0, 102), ylim=(0, 102))
    handles, names = above.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=figures.legend_columns(names, 2), frameon=False)
    figures.say(figure, protocol)
    return figures.png(figure, above, below)

"""The report's plots: plain numbers in, PNG bytes out. Drawn on white; the page inverts them in dark mode."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

# Okabe and Ito's colour-blind-safe palette; a starred modality keeps its hue, the fusion that hides it a lighter one.
COLOURS = {"imu": "#0072B2", "video": "#D55E00", "fusion": "#009E73"}
BAR_COLOURS = ("#0072B2", "#D55E00", "#56B4E9", "#E69F00")
MARKERS = {"imu": "o", "video": "s", "fusion": "D"}


@dataclass(frozen=True)
class Series:
    """One line or one colour of bars: x to the values of its seeds, in per cent. `model` picks the colour."""

    label: str
    model: str
    values: dict[float, list[float]]
    printed: float | None = None  # the paper's value at all the training data, where it is comparable

    def points(self) -> tuple[list[float], list[float], list[float]]:
        """x, mean and sample standard deviation over seeds (0 for one seed); x without a result is left out."""
        x = sorted(x for x, values in self.values.items() if values)
        spread = [float(np.std(self.values[at], ddof=1)) if len(self.values[at]) > 1 else 0.0 for at in x]
        return x, [float(np.mean(self.values[at])) for at in x], spread


def ratio_lines(series: Sequence[Series]) -> bytes:
    """Figure 2: top-1 against the share of the training data, mean and standard deviation over seeds."""
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    keys = []  # ours above the paper's, a column a model
    for line in series:
        x, mean, spread = line.points()
        style = {"color": COLOURS[line.model], "marker": MARKERS[line.model], "markersize": 7}
        error = spread if any(spread) else None
        keys.append(axes.errorbar(x, mean, yerr=error, capsize=4, linewidth=2, label=line.label, **style))
        if line.printed is not None:
            hollow = {"fillstyle": "none", "linestyle": "none", "label": f"paper: {line.label}", **style}
            keys += axes.plot([100], [line.printed], **hollow)
    axes.set_xticks(sorted({x for line in series for x in line.values}))
    axes.xaxis.set_major_formatter("{x:g} %")
    axes.set(xlabel="share of the training data", ylabel="top-1 accuracy (%)")
    axes.set_ylim(0, 100)
    figure.legend(handles=keys, frameon=False, ncols=3, loc="outside lower center")
    return _png(figure, axes)


def hidden_bars(accuracy: Sequence[Series], f1: Sequence[Series]) -> bytes:
    """Figure 3: two panels, accuracy left and macro F1 right; bars by modality, grouped by classes hidden."""
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    _grouped(left, accuracy, "top-1 accuracy (%)")
    _grouped(right, f1, "macro F1 (%)")
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    return _png(figure, left, right)


def _grouped(axes: Axes, series: Sequence[Series], title: str) -> None:
    groups, width = sorted({x for bars in series for x in bars.values}), 0.8 / max(len(series), 1)
    for index, bars in enumerate(series):
        x, mean, spread = bars.points()
        middle = [groups.index(at) + (index - (len(series) - 1) / 2) * width for at in x]
        error = spread if any(spread) else None
        style = {"color": BAR_COLOURS[index], "ecolor": "#555555", "capsize": 3}
        axes.bar(middle, mean, width * 0.92, yerr=error, label=bars.label, **style)
        for at, value, above in zip(middle, mean, spread, strict=True):
            axes.text(at, value + above + 1, f"{value:.0f}", ha="center", va="bottom", fontsize=8)
    axes.set_xticks(range(len(groups)), [f"{count:g} hidden" for count in groups])
    axes.set_title(title, fontsize=11)
    axes.set_ylim(0, 108)
    axes.set_yticks(range(0, 101, 20))


def confusion(matrix_KK: np.ndarray, classes: Sequence[str], title: str) -> bytes:
    """Clips counted as (class, predicted class), shown as per cent of the class's clips; zeros are left blank."""
    total = matrix_KK.sum(axis=1, keepdims=True)
    share_KK = 100 * matrix_KK / np.maximum(total, 1)
    side = 3.2 + 0.3 * len(classes)
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    axes.imshow(share_KK, cmap="Blues", vmin=0, vmax=100)
    for row, column in zip(*np.nonzero(matrix_KK), strict=True):
        share = share_KK[row, column]
        colour = "white" if share > 60 else "black"
        axes.text(column, row, f"{share:.0f}", ha="center", va="center", fontsize=7, color=colour)
    # Class names are not ours: a pair of dollar signs in one would be read as mathematics.
    axes.set_xticks(range(len(classes)), classes, rotation=90, fontsize=8, parse_math=False)
    axes.set_yticks(range(len(classes)), classes, fontsize=8, parse_math=False)
    axes.set(xlabel="predicted class", ylabel="class")
    axes.set_title(title, fontsize=11)
    return _png(figure)


def curves(histories: dict[tuple[str, str], list[list[dict]]]) -> bytes:
    """Training loss above training top-1, a column per (model, label) and a line per seed, against the epoch."""
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    grid = figure.subplots(2, len(histories), squeeze=False)
    for column, ((model, label), seeds) in enumerate(histories.items()):
        for axes, name, scale in ((grid[0, column], "loss", 1), (grid[1, column], "train_top1", 100)):
            for history in seeds:
                epochs = [epoch for epoch in history if epoch.get(name) is not None]
                x, y = [epoch["epoch"] for epoch in epochs], [scale * epoch[name] for epoch in epochs]
                axes.plot(x, y, color=COLOURS[model], linewidth=1.5, marker="." if len(x) < 25 else "")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        grid[0, column].set_title(label, fontsize=11)
        grid[0, column].set_ylim(bottom=0)
        grid[1, column].set(ylim=(0, 102), xlabel="epoch")
    grid[0, 0].set_ylabel("training loss")
    grid[1, 0].set_ylabel("training top-1 (%)")
    return _png(figure, *grid.flat)


def _png(figure: Figure, *plain: Axes) -> bytes:
    for axes in plain:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#dddddd", linewidth=0.8)
        axes.set_axisbelow(True)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=140)  # a Figure made without pyplot draws on Agg
    return buffer.getvalue()

"""The report's plots: plain numbers in, PNG bytes out. Drawn on white; the page inverts them in dark mode.

Letters are 12 points on six inches: as large as the page's, and still ten pixels where a phone shows all of a plot.
"""

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

# Okabe and Ito's colour-blind-safe palette; a bar has the hue of its starred modality.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
BAR_COLOURS = ("#0072B2", "#D55E00", "#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#F0E442", "#999999")
MARKERS = "osD^v<>"
LETTERS: dict[Any, Any] = {"font.size": 12, "axes.titlesize": 12}
# Of a confusion matrix: with 27 classes it is nine inches wide, and seven on paper.
NAMES, NUMBERS = 9, 8
DPI = 140


def _of(these: Sequence[str], number: int) -> str:
    return these[number % len(these)]


@dataclass(frozen=True)
class Series:
    """One line or one colour of bars: x to the values of its seeds, in per cent. `colour` is its number."""

    label: str
    colour: int
    values: dict[float, list[float]]
    ends: dict[float, tuple[float, float] | None] = field(default_factory=dict)  # of 95 % intervals
    printed: dict[float, float] = field(default_factory=dict)  # the paper's values, where they are comparable

    def points(self) -> tuple[list[float], list[float], np.ndarray | None]:
        """x, mean over seeds and how far the interval reaches below and above it; x without a result is left out."""
        x = sorted(x for x, values in self.values.items() if values)
        mean = [float(np.mean(self.values[at])) for at in x]
        ends = [self.ends.get(at) or (np.nan, np.nan) for at in x]
        reach = np.array([(m - low, high - m) for m, (low, high) in zip(mean, ends, strict=True)]).T
        # The interval of many equal values may end a rounding error beside their mean. One that lies elsewhere, as
        # that of all clips may where folds of several sizes have a mean of their own, isn't drawn.
        reach = np.where(reach > -1e-9, np.maximum(reach, 0), np.nan)
        return x, mean, None if np.isnan(reach).all() else reach


@rc_context(LETTERS)
def ratio_lines(series: Sequence[Series], protocol: str = "") -> bytes:
    """Figure 2: top-1 against the share of the training data, with 95 % intervals."""
    figure = Figure(figsize=(6, 4.6), layout="constrained")
    axes = figure.subplots()
    keys = []  # ours above the paper's, a column a model
    for index, line in enumerate(series):
        x, mean, reach = line.points()
        beside = [at + index - (len(series) - 1) / 2 for at in x]  # so that intervals don't cover each other
        style = {"color": _of(COLOURS, line.colour), "marker": _of(MARKERS, line.colour), "markersize": 7}
        keys.append(axes.errorbar(beside, mean, yerr=reach, capsize=4, linewidth=2, label=line.label, **style))
        if line.printed:
            hollow = {"fillstyle": "none", "linestyle": "none", "label": f"paper: {line.label}", **style}
            keys += axes.plot(list(line.printed), list(line.printed.values()), **hollow)
    axes.set_xticks(sorted({x for line in series for x in line.values}))
    axes.xaxis.set_major_formatter("{x:g} %")
    axes.set(xlabel="share of the training data", ylabel="top-1 accuracy (%)")
    axes.set_ylim(0, 102)
    columns = legend_columns([str(key.get_label()) for key in keys], 3 if len(keys) == len(series) else 2)
    figure.legend(handles=keys, frameon=False, ncols=columns, loc="outside lower center")
    say(figure, protocol)
    return png(figure, axes)


@rc_context(LETTERS)
def hidden_bars(accuracy: Sequence[Series], f1: Sequence[Series], protocol: str = "") -> bytes:
    """Figure 3: two panels, accuracy above macro F1; bars by modality, grouped by classes hidden."""
    figure = Figure(figsize=(6, 7.6), layout="constrained")
    above, below = figure.subplots(2, 1)
    _grouped(above, accuracy, "top-1 accuracy (%)")
    _grouped(below, f1, "macro F1 (%)")
    handles, labels = above.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=legend_columns(labels, 2), frameon=False)
    say(figure, protocol)
    return png(figure, above, below)


@rc_context(LETTERS)
def dots(rows: Sequence[tuple[str, float, tuple[float, float] | None]], protocol: str = "") -> bytes:
    """A row for each label, from above: its top-1 with the 95 % interval."""
    figure = Figure(figsize=(6, 1.5 + 0.34 * len(rows)), layout="constrained")
    axes = figure.subplots()
    lows = [value if ends is None else ends[0] for _, value, ends in rows]
    for place, (_, value, ends) in enumerate(rows):
        if ends:
            axes.plot(ends, (place, place), color=COLOURS[0], linewidth=2, alpha=0.5, solid_capstyle="butt")
        axes.plot(value, place, "o", color=COLOURS[0], markersize=8)
        axes.annotate(f"{value:.1f}", (value, place), (0, 6), textcoords="offset points", ha="center", fontsize=9)
    axes.set_yticks(range(len(rows)), [label for label, *_ in rows], parse_math=False)
    axes.set_ylim(len(rows) - 0.5, -0.8)
    axes.set_xlim(max(0.0, min(lows) - 3), 101)
    axes.set_xlabel("top-1 accuracy (%)")
    say(figure, protocol)
    return png(figure, axes)


def legend_columns(labels: Sequence[str], most: int) -> int:
    """Of a legend: about 70 letters are as wide as a plot, five of them are an entry's sign and its gaps."""
    return max(1, min(most, 70 // (max(map(len, labels), default=0) + 5)))


def _grouped(axes: Axes, series: Sequence[Series], title: str) -> None:
    groups, width = sorted({x for bars in series for x in bars.values}), 0.8 / max(len(series), 1)
    for index, bars in enumerate(series):
        x, mean, reach = bars.points()
        middle = [groups.index(at) + (index - (len(series) - 1) / 2) * width for at in x]
        style = {"color": _of(BAR_COLOURS, index), "ecolor": "#555555", "capsize": 3}
        axes.bar(middle, mean, width * 0.92, yerr=reach, label=bars.label, **style)
        above = np.zeros(len(mean)) if reach is None else np.nan_to_num(reach[1])
        for at, value, up in zip(middle, mean, above, strict=True):
            axes.text(at, value + up + 1, f"{value:.0f}", ha="center", va="bottom", fontsize=11)
        paper = [(at, bars.printed[count]) for count, at in zip(x, middle, strict=True) if count in bars.printed]
        if paper:
            hollow = {"marker": "o", "markersize": 7, "fillstyle": "none", "linestyle": "none", "color": "black"}
            axes.plot(*zip(*paper, strict=True), label=f"paper: {bars.label}", **hollow)
    axes.set_xticks(range(len(groups)), [f"{count:g} hidden" for count in groups])
    axes.set_title(title)
    axes.set_ylim(0, 112)
    axes.set_yticks(range(0, 101, 20))


def confusion(matrix_KK: np.ndarray, classes: Sequence[str], title: str, protocol: str = "") -> bytes:
    """Clips counted as (class, predicted class), shown as per cent of the class's clips; zeros are left blank."""
    total = matrix_KK.sum(axis=1, keepdims=True)
    share_KK = 100 * matrix_KK / np.maximum(total, 1)
    side = max(6.0, 2.6 + 0.25 * len(classes))
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    axes.imshow(share_KK, cmap="Blues", vmin=0, vmax=100)
    for row, column in zip(*np.nonzero(matrix_KK), strict=True):
        share = share_KK[row, column]
        colour = "white" if share > 60 else "black"
        axes.text(column, row, f"{share:.0f}", ha="center", va="center", fontsize=NUMBERS, color=colour)
    # Class names are not ours: a pair of dollar signs in one would be read as mathematics.
    axes.set_xticks(range(len(classes)), classes, rotation=90, fontsize=NAMES, parse_math=False)
    axes.set_yticks(range(len(classes)), classes, fontsize=NAMES, parse_math=False)
    axes.set(xlabel="predicted class", ylabel="class")
    axes.set_title(title, fontsize=11)
    say(figure, protocol)
    return png(figure)


@rc_context(LETTERS)
def curves(histories: dict[tuple[int, str], list[list[dict]]], protocol: str = "") -> bytes:
    """Training loss beside training top-1, a row per (colour, label) and a line per seed, against the epoch."""
    figure = Figure(figsize=(6, 0.6 + 2.2 * len(histories)), layout="constrained")
    grid = figure.subplots(len(histories), 2, squeeze=False)
    for row, ((colour, label), seeds) in zip(grid, histories.items(), strict=True):
        for axes, value, scale in ((row[0], "loss", 1), (row[1], "train_top1", 100)):
            for history in seeds:
                epochs = [epoch for epoch in history if epoch.get(value) is not None]
                x, y = [epoch["epoch"] for epoch in epochs], [scale * epoch[value] for epoch in epochs]
                axes.plot(x, y, color=_of(COLOURS, colour), linewidth=1.5, marker="." if len(x) < 25 else "")
            axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
        row[0].set_ylabel(textwrap.fill(label, 20))
        row[0].set_ylim(bottom=0)
        row[1].set_ylim(0, 102)
    for axes, title in zip(grid[0], ("training loss", "training top-1 (%)"), strict=True):
        axes.set_title(title)
    for axes in grid[-1]:
        axes.set_xlabel("epoch")
    say(figure, protocol)
    return png(figure, *grid.flat)


def say(figure: Figure, protocol: str) -> None:
    """Above all: a plot that is copied out of its page still says who trained, who was tested, and what isn't clean."""
    if not protocol:
        return
    lines = textwrap.fill(protocol, int(14 * figure.get_figwidth()))
    figure.suptitle(lines, x=0.02, ha="left", fontsize=9, color="#555555", parse_math=False)


def png(figure: Figure, *plain: Axes) -> bytes:
    for axes in plain:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#dddddd", linewidth=0.8)
        axes.set_axisbelow(True)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)  # a Figure made without pyplot draws on Agg
    return buffer.getvalue()

"""What the report's plots draw, from their axes."""

import numpy as np
import pytest
from matplotlib.container import BarContainer
from matplotlib.figure import Figure

from orchestrator.report import figures
from orchestrator.report.figures import Series

PRINTED = {25.0: 88.0, 100.0: 96.05}


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that were made PNGs of."""
    made: list[Figure] = []
    png = figures.png
    monkeypatch.setattr(figures, "png", lambda figure, *axes: made.append(figure) or png(figure, *axes))
    return made


def hollow(figure: Figure) -> dict[str, list[tuple[float, float]]]:
    """The paper's marks by their label: unfilled, and with no line between them."""
    lines = [line for axes in figure.axes for line in axes.lines if str(line.get_label()).startswith("paper: ")]
    assert all(line.get_fillstyle() == "none" and line.get_linestyle() == "None" for line in lines)
    return {str(line.get_label()): [tuple(map(float, point)) for point in line.get_xydata()] for line in lines}  # pyright: ignore


def test_figure_2_has_the_papers_marks_at_its_values(drawn: list[Figure]) -> None:
    ours = {25.0: [80.0, 84.0], 100.0: [90.0, 92.0]}
    figures.ratio_lines([Series("IMU only", 0, ours), Series("IMU + RGB", 2, ours, printed=PRINTED)])
    assert hollow(drawn[0]) == {"paper: IMU + RGB": [(25.0, 88.0), (100.0, 96.05)]}
    words = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert set(words) == {"IMU only", "IMU + RGB", "paper: IMU + RGB"}


def test_figure_3_has_the_papers_marks_on_the_bars_they_belong_to(drawn: list[Figure]) -> None:
    ours = {1.0: [90.0], 5.0: [70.0]}
    bars = [Series("IMU*", 0, ours, printed={5.0: 66.0}), Series("RGB*", 1, ours)]
    figures.hidden_bars(bars, [Series("IMU*", 0, ours), Series("RGB*", 1, ours)])
    [(at, value)] = hollow(drawn[0])["paper: IMU*"]
    bar = next(c for c in drawn[0].axes[0].containers if isinstance(c, BarContainer)).patches[1]
    assert value == 66.0 and abs(at - 1) < 0.5
    assert bar.get_x() <= at <= bar.get_x() + bar.get_width()


def test_an_interval_that_ends_a_rounding_error_beside_its_mean_is_drawn() -> None:
    mean = float(np.mean([75.0] * 26))
    line = Series("IMU", 0, {25.0: [mean]}, {25.0: (mean + 1e-14, mean - 1e-14)})
    assert line.points()[2] is not None and line.points()[2].min() == 0  # pyright: ignore[reportOptionalMemberAccess]
    assert figures.ratio_lines([line]) and figures.hidden_bars([line], [line])


def test_an_interval_that_lies_elsewhere_is_left_out() -> None:
    """Of folds of several sizes: their mean isn't that of all clips, which an interval over clips is of."""
    line = Series("IMU", 0, {25.0: [49.5], 100.0: [60.0]}, {25.0: (97.0, 99.0), 100.0: (55.0, 66.0)})
    reach = line.points()[2]
    assert reach is not None and np.isnan(reach[0, 0]) and reach[:, 1].tolist() == [5.0, 6.0]
    assert figures.ratio_lines([line]) and figures.hidden_bars([line], [line])


@pytest.mark.parametrize("names", [("IMU", "Depth"), ("IMU", "Skeleton", "Depth"), ("Audio", "IMU", "Skeleton", "RGB")])
def test_no_legend_is_wider_than_its_plot(drawn: list[Figure], names: tuple[str, ...]) -> None:
    ours, fused = {25.0: [80.0], 100.0: [90.0]}, " + ".join(names)
    lines = [Series(label, at, ours) for at, label in enumerate([*(f"{name} only" for name in names), fused])]
    bars = [Series(f"{name}*", at, ours) for at, name in enumerate(names)]
    bars += [Series(fused.replace(name, f"{name}*"), len(names), ours) for name in names]
    figures.ratio_lines(lines)
    figures.hidden_bars(bars, bars)
    for figure in drawn:
        [legend], wide = figure.legends, figure.bbox.width
        assert legend.get_window_extent().x0 >= 0 and legend.get_window_extent().x1 <= wide


def test_a_corpus_without_the_papers_numbers_has_no_such_mark(drawn: list[Figure]) -> None:
    figures.ratio_lines([Series("IMU only", 0, {25.0: [80.0], 100.0: [90.0]})])
    assert hollow(drawn[0]) == {}


def test_a_confusion_matrix_names_its_classes_on_both_sides(drawn: list[Figure]) -> None:
    classes = ["wave", "$clap$", "squat"]
    figures.confusion(np.array([[3, 1, 0], [0, 4, 0], [2, 0, 2]]), classes, "IMU only")
    [axes] = drawn[0].axes
    for ticks in (axes.get_xticklabels(), axes.get_yticklabels()):
        assert [tick.get_text() for tick in ticks] == classes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted class", "class")
    shown = {tuple(map(int, text.get_position())): text.get_text() for text in axes.texts}
    assert shown == {(0, 0): "75", (1, 0): "25", (1, 1): "100", (0, 2): "50", (2, 2): "50"}

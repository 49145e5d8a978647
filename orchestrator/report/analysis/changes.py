"""What changed since another report: the rows of results.json that moved, clip by clip where both left predictions."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from orchestrator.report import labels, scores
from orchestrator.report.labels import Cell, Results
from orchestrator.report.paired import Clip, difference
from orchestrator.report.results import TEXTS, read
from orchestrator.report.scores import Score, score
from orchestrator.storage.run_folder import RunFolder

SETTINGS = ("corpus", "video", "protocol", "scale", "scale_text", "recipe", "seeds")
PAIRED, UNPAIRED = "the same clips", "unpaired"

Row = tuple[str, ...]  # what a row of both reports has in common


@dataclass(frozen=True)
class Moved:
    """A row of both reports whose top-1 differs; `difference` is in points, now less before, and `how` it was found."""

    label: str
    before: Score
    now: Score
    difference: str
    how: str


@dataclass(frozen=True)
class Changes:
    """`settings` are those that differ, as (name, before, now). `alike` counts the rows that haven't moved."""

    folder: Path
    created: str
    settings: list[tuple[str, Any, Any]]
    moved: list[Moved]
    alike: int
    gone: list[str]
    new: list[str]


def since(results: Results, runs: Path, other: Path) -> Changes:
    """`runs` are ours, `other` is the folder of a report; the runs of its storage are used where they are there.

    Raises ValueError where the folder holds no results.json that can be read.
    """
    folder = other.resolve()
    if not (folder / "results.json").exists():
        raise ValueError(
            f"--against {other}: holds no results.json; give the folder of a report, STORAGE/reports/PLAN."
        )
    before = read(folder / "results.json", (*TEXTS, "protocol"))
    if not isinstance(before.get("cells"), list):
        raise ValueError(f"{folder / 'results.json'}: is damaged, its cells can't be read.")
    then, now = _rows(before), _rows(results)
    both = [row for row in now if row in then]
    places = {"now": runs, "before": folder.parent.parent / "runs"}
    moved = [found for row in both if (found := _moved(_label(results, now[row]), then[row], now[row], places))]
    return Changes(
        folder,
        before["created"],
        [(name, before.get(name), results.get(name)) for name in SETTINGS if before.get(name) != results.get(name)],
        moved,
        len(both) - len(moved),
        [_label(before, then[row]) for row in then if row not in now],
        [_label(results, now[row]) for row in now if row not in then],
    )


def _rows(results: Results) -> dict[Row, list[Cell]]:
    """The cells of each row that has a score, one a seed."""
    return {row: cells for row, cells in _all_rows(results) if scores.values(cells, "top1")}


def _all_rows(results: Results) -> Iterator[tuple[Row, list[Cell]]]:
    for model in labels.models(results):
        whole = scores.modality(results, model)
        yield ("modalities", model), [cell for cell in whole if cell["experiment"] == "modalities"]
        yield ("subsets", model), scores.subset(results, model)
        for share in scores.ratios(results):
            yield ("ratio", model, f"{share:g}"), scores.at_ratio(results, model, share)
    for (method, modalities), cells in scores.rows_of(results).items():
        yield ("methods", method, "+".join(modalities)), cells
    for model, star in labels.bars(results):
        for count in scores.hidden_counts(results):
            yield ("zero_shot", model, star, str(count)), scores.zero_shot(results, model, star, count)
    for experiment in labels.VARIED:
        for name in scores.variants(results, experiment):
            yield (experiment, name), scores.variant(results, experiment, name)


def _label(results: Results, cells: list[Cell]) -> str:
    return labels.cell_label(results, cells[0]).partition(", seed")[0]


def _moved(label: str, then: list[Cell], now: list[Cell], places: dict[str, Path]) -> Moved | None:
    """None where the mean is the same."""
    if fmean(scores.values(now, "top1")) == fmean(scores.values(then, "top1")):
        return None
    paired = difference(_placed(now, "now"), _placed(then, "before"), lambda key: _right(key, places))
    text = paired.text if paired else _unpaired(then, now)
    how = f"{PAIRED}, {paired.seeds} seed{'s' * (paired.seeds > 1)} of both" if paired else UNPAIRED
    return Moved(label, score(then, "top1"), score(now, "top1"), text, how)


def _placed(cells: list[Cell], place: str) -> list[Cell]:
    """The same key may be in both storages."""
    return [cell | {"keys": [f"{place}/{key}" for key in cell["keys"]]} for cell in cells]


def _right(key: str, places: dict[str, Path]) -> dict[Clip, bool] | None:
    place, _, name = key.partition("/")
    return RunFolder(places[place] / name).right()


def _unpaired(then: list[Cell], now: list[Cell]) -> str:
    """The difference of two means, with an interval made of both scores' own where they have one.

    G. Y. Zou and A. Donner, Construction of confidence limits about effect measures, Statistics in Medicine 27 (2008).
    """
    a, b = (fmean(scores.values(cells, "top1")) for cells in (now, then))
    ends_a, ends_b = scores.ends_of(now, "top1"), scores.ends_of(then, "top1")
    if not ends_a or not ends_b:
        return f"{a - b:+.2f}".replace("-", "−")
    (low_a, high_a), (low_b, high_b) = ends_a, ends_b
    low = a - b - ((a - low_a) ** 2 + (high_b - b) ** 2) ** 0.5
    high = a - b + ((high_a - a) ** 2 + (b - low_b) ** 2) ** 0.5
    return f"{a - b:+.2f} [{low:+.2f} to {high:+.2f}]".replace("-", "−")

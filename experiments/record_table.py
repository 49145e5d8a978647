"""The rows of a committed record of table2.py with their intervals, each against ours on the same sensors by clips.

python experiments/record_table.py table2-utd-mhad-depth-video-laptop-tuned-odd-even

It needs no storage: a record's `wrong` says which test clips each run named wrong.
"""

import sys
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean, stdev
from typing import Annotated, Any

import tyro
from rich.table import Table

from datasets.files.atomic import read_json
from experiments.record import FOLDER
from models.methods import DEFAULT, TUNED
from orchestrator.driver.terminal import console, refuse_bad_input
from orchestrator.report.methods import tested
from orchestrator.report.paired import Clip, Difference, corrected, difference, interval_of

RowName = tuple[str, tuple[str, ...]]  # method and modalities


@dataclass(frozen=True)
class Asked:
    name: Annotated[str, tyro.conf.Positional]
    """Of a file of experiments/results, without its ending."""


def show(asked: Asked) -> int:
    file = FOLDER / f"{asked.name}.json"
    if not file.exists():
        raise ValueError(f"{asked.name}: choose from {', '.join(sorted(each.stem for each in FOLDER.glob('*.json')))}.")
    results = read_json(file)["results"]
    found, against = rows_of(results), Against(results)
    if not found:
        raise ValueError(f"{file}: has no results of table2.py.")
    ours = {read: cells for (method, read), cells in found.items() if method == DEFAULT}
    firsts = {name: found.get((name[0].removesuffix(TUNED), name[1]), []) for name in found if name[0].endswith(TUNED)}
    out = Table(title=f"{file.stem}; per cent of {results[0]['n']} clips", title_justify="left")
    for name in ("method", "reads", "right, by seed", "top-1", "95 %", "against ours, points", "against its first row"):
        out.add_column(name, overflow="fold")
    gaps = against.all(
        [(cells, ours.get(tested(*name), []) if name[0] != DEFAULT else []) for name, cells in found.items()]
    )
    later = against.all([(cells, firsts.get(name, [])) for name, cells in found.items()])
    for (method, read), gap, first in zip(found, gaps, later, strict=True):
        out.add_row(
            method, " + ".join(read), *_scores(found[method, read]), *(g.text if g else "" for g in (gap, first))
        )
    console.print(out)
    console.print("Differences are corrected by Holm's method over their column.", highlight=False)
    return 0


def rows_of(results: list[dict[str, Any]]) -> dict[RowName, list[dict[str, Any]]]:
    """The results of table2.py by row, in order of seeds. Raises ValueError where a row has several of one seed, as by
    other settings or as folds of a protocol."""
    named = sorted(
        (r for r in results if r["experiment"] == "methods"), key=lambda r: (r["method"], r["modalities"], r["seed"])
    )
    found = {
        (method, tuple(read)): list(cells)
        for (method, read), cells in groupby(named, key=lambda r: (r["method"], r["modalities"]))
    }
    for (method, read), cells in found.items():
        if len({cell["seed"] for cell in cells}) < len(cells):
            raise ValueError(
                f"{method} of {' + '.join(read)}: has several results of one seed; these can't be compared."
            )
    return found


def _scores(cells: list[dict[str, Any]]) -> tuple[str, str, str]:
    values = [100 * cell["top1"] for cell in cells]
    right = ", ".join(str(cell["k"]) for cell in cells)
    if len(values) < 2:
        return right, f"{values[0]:.2f}", ""
    low, high = interval_of(values)
    return right, f"{fmean(values):.2f} ± {stdev(values):.2f}", f"{low:.2f} to {high:.2f}"


class Against:
    """Paired differences of a record's rows."""

    def __init__(self, results: list[dict[str, Any]]):
        self.wrong = {r["key"]: set(r["wrong"]) for r in results if "wrong" in r}
        self.clips = {r["key"]: r["n"] for r in results}
        self.named = sorted(set().union(*self.wrong.values()))

    def all(self, pairs: list[tuple[list[dict[str, Any]], list[dict[str, Any]]]]) -> list[Difference | None]:
        """With p-values corrected for one another; None where a side is missing."""
        return corrected([difference(self._cells(a), self._cells(b), self._right) for a, b in pairs])

    def _cells(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{"seed": r["seed"], "keys": [r["key"]], "status": "done"} for r in rows]

    def _right(self, key: str) -> dict[Clip, bool] | None:
        """Clips that no run of the record named wrong have no name there: numbers stand for them."""
        if key not in self.wrong:
            return None
        others = map(str, range(self.clips[key] - len(self.named)))
        return {(clip, clip): clip not in self.wrong[key] for clip in (*self.named, *others)}


if __name__ == "__main__":
    asked = tyro.cli(Asked, description=__doc__)
    sys.exit(refuse_bad_input(lambda: show(asked)))

"""Write a plan's report again from what its storage holds.

python experiments/report.py --storage DIR --plan full_grid

python experiments/report.py --storage DIR --beside DIR2       (with Table 2 of another corpus, on another storage)

python experiments/report.py --storage DIR --look              (with what the fused network looks at, and confuses)

python experiments/report.py --storage DIR --against DIR2/reports/full_grid           (with what changed since)
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from orchestrator.driver.terminal import console, refuse_bad_input
from orchestrator.report import html, scores, tables
from orchestrator.report.analysis import changes
from orchestrator.report.analysis.mistakes import Mistake
from orchestrator.report.pictures import Look
from orchestrator.report.results import read
from orchestrator.storage.store import Store


@dataclass(frozen=True)
class Which:
    storage: Path = Path("output")
    """The storage the plan ran with."""
    plan: str = "full_grid"
    """The experiment whose report it is."""


@dataclass(frozen=True)
class Pages(Which):
    beside: tuple[Path, ...] = ()
    """Storages that the plan ran with on other corpora."""
    look: bool = False
    """Add what the fused network looks at in four test clips, and a dozen that it confuses; needs its weights, and the
    shards or recordings, of which the page then holds pictures."""
    against: Path | None = None
    """The folder of another report, STORAGE/reports/PLAN: add the rows that moved since."""


def results_of(storage: Path, plan: str) -> dict[str, Any]:
    return read(file_of(storage, plan))


def file_of(storage: Path, plan: str) -> Path:
    """Its results.json. Raises ValueError where this plan had no start with this storage, and names those that had."""
    reports = storage.resolve() / "reports"
    file = reports / plan / "results.json"
    if not file.exists():
        there = ", ".join(sorted(other.parent.name for other in reports.glob("*/results.json")))
        others = f" The storage has {there}: name one with --plan." if there else ""
        raise ValueError(f"{file}: no such file; {plan} hasn't been started with this storage.{others}")
    return file


def rewrite(which: Pages) -> int:
    results, beside = results_of(which.storage, which.plan), [results_of(s, which.plan) for s in which.beside]
    for table in tables.tables(results):
        console.print(table)
    folder = which.storage.resolve() / "reports" / which.plan
    store = Store(which.storage.resolve())
    changed = changes.since(results, store.root / "runs", which.against) if which.against else None
    seen, wrong = (looks(store, results), confused(store, results)) if which.look else ("", None)
    page = html.write(results, store.root / "runs", folder, beside, seen, wrong, changed)
    console.print(f"report: {page}")
    return 0


def looks(store: Store, results: dict[str, Any]) -> list[Look] | str:
    """Of the fusion of Table 2, its first seed; or why there are none."""
    from orchestrator.serving import saliency  # torch and Captum take seconds

    run = scores.looked_at(results)
    if run is None:
        return "Not drawn: no fusion of all the training data is done."
    try:
        return saliency.looks(store, run, results["modalities"])
    except ValueError as error:
        return f"Not drawn: {error}"


def confused(store: Store, results: dict[str, Any]) -> list[Mistake] | None:
    """The clips that the same run confuses; None where they can't be drawn, as `looks` says."""
    from orchestrator.serving import mistakes

    run = scores.looked_at(results)
    try:
        return mistakes.mistakes(store, run, results["modalities"]) if run else None
    except ValueError:
        return None


if __name__ == "__main__":
    which = tyro.cli(Pages, description=__doc__)
    sys.exit(refuse_bad_input(lambda: rewrite(which)))

"""Write a plan's report again from what its storage holds.

python experiments/report.py --storage DIR --plan full_grid
python experiments/report.py --storage DIR --beside DIR2       (with Table 2 of another corpus, on another storage)
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from datasets.whole import read_json
from orchestrator import report
from orchestrator.terminal import console, refuse_bad_input


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


def results_of(storage: Path, plan: str) -> dict[str, Any]:
    file = storage.resolve() / "reports" / plan / "results.json"
    if not file.exists():
        raise ValueError(f"{file}: no such file; run experiments/{plan}.py on this storage.")
    return read_json(file)


def rewrite(which: Pages) -> int:
    results, beside = results_of(which.storage, which.plan), [results_of(s, which.plan) for s in which.beside]
    for table in report.tables(results):
        console.print(table)
    folder = which.storage.resolve() / "reports" / which.plan
    console.print(f"report: {report.write(results, which.storage / 'runs', folder, beside)}")
    return 0


if __name__ == "__main__":
    which = tyro.cli(Pages, description=__doc__)
    sys.exit(refuse_bad_input(lambda: rewrite(which)))

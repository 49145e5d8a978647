"""Write a plan's report again from what its storage holds.

python experiments/report.py --storage DIR --plan full_grid
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from datasets.whole import read_json
from orchestrator import report
from orchestrator.launch import console, refuse_bad_input


@dataclass(frozen=True)
class Which:
    storage: Path = Path("output")
    """The storage the plan ran with."""
    plan: str = "full_grid"
    """The experiment whose report it is."""


def rewrite(which: Which) -> int:
    folder = which.storage.resolve() / "reports" / which.plan
    if not (folder / "results.json").exists():
        raise ValueError(f"{folder / 'results.json'}: no such file; run experiments/{which.plan}.py on this storage.")
    results = read_json(folder / "results.json")
    for table in report.tables(results):
        console.print(table)
    console.print(f"report: {report.write(results, which.storage / 'runs', folder)}")
    return 0


if __name__ == "__main__":
    which = tyro.cli(Which, description=__doc__)
    sys.exit(refuse_bad_input(lambda: rewrite(which)))

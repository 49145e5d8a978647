"""Measure what the orchestrator costs, each beside what it is compared with, in the same run.

python experiments/benchmark.py                                       (all, on the synthetic corpus)

python experiments/benchmark.py decode feed --recordings DIR --json FILE
"""

import json
import sys
import tempfile
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Literal

import ray
import tyro
from rich.table import Table

from datasets.files.atomic import write_whole
from experiments.benchmarks.row import Place, Row
from orchestrator.driver.terminal import console, refuse_bad_input

NAMES = ("decode", "feed", "overhead", "stage2", "grid", "planning", "start")


@dataclass(frozen=True)
class Asked:
    names: Annotated[
        tuple[
            Literal[
                "decode", "feed", "overhead", "stage2", "grid", "planning", "start", "transfer", "long_grid", "gpu"
            ],
            ...,
        ],
        tyro.conf.Positional,
    ] = ()
    """What is measured; default: all but gpu, which needs one, transfer, which needs the weights of I3D, and long_grid,
    which takes half an hour."""
    recordings: Path | None = None
    """UTD-MHAD as it is downloaded; default: the synthetic corpus."""
    weights: Annotated[tuple[str, ...], tyro.conf.arg(metavar="[BACKBONE=]START")] = ()
    """What I3D starts from where transfer is measured, as in `i3d=FILE`; default: Kinetics-400."""
    json: Path | None = None
    """Where the rows are written too, a list of objects; rewritten after each benchmark."""


def measure(asked: Asked) -> int:
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        place = Place(asked.recordings and asked.recordings.resolve(), Path(folder), weights=asked.weights)
        for name in asked.names or NAMES:
            rows += import_module(f"experiments.benchmarks.{name}").measure(place)
            ray.shutdown()  # the next one may start its own
            if asked.json:
                write_whole(asked.json, json.dumps([row.to_json() for row in rows], indent=1) + "\n")
    console.print(table(rows))
    return 0


def table(rows: list[Row]) -> Table:
    out = Table()
    for name in ("name", "of", "ours", "against", "unit", "ratio", "target", "met"):
        out.add_column(name, overflow="fold")
    for row in rows:
        against, ratio = ("" if v is None else f"{v:.4g}" for v in (row.against, row.ratio))
        target = "" if row.target is None else f"{'at least' if row.at_least else 'at most'} {row.target:g}"
        met = {True: "yes", False: "no", None: ""}[row.met]
        out.add_row(row.name, row.of, f"{row.ours:.4g}", against, row.unit, ratio, target, met)
    return out


if __name__ == "__main__":
    asked = tyro.cli(Asked, description=__doc__)
    sys.exit(refuse_bad_input(lambda: measure(asked)))

"""Concatenation or attention, with and without modality dropout, and what is left where a modality is missing.

python experiments/fusion_comparison.py --corpus utd-mhad --recordings DIR --scale laptop --seeds 3
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import tyro

from experiments import modality_comparison
from orchestrator.driver.launch import launch
from orchestrator.plan.options import Options
from orchestrator.plan.plan import Cell
from orchestrator.plan.study import Study

METHODS = ("concatenation", "attention", "dropout", "attention-dropout")


@dataclass(frozen=True)
class Compared(Options):
    methods: tuple[str, ...] = METHODS
    """The rows: methods of models/methods."""


def cells(study: Study, seed: int, methods: Sequence[str] = METHODS) -> Iterator[Cell]:
    yield from modality_comparison.cells(study, seed)
    for method in methods:
        yield study.cell("fusions", study.modalities, seed, method=method)


if __name__ == "__main__":
    options = tyro.cli(Compared, description=__doc__)
    sys.exit(launch("fusion_comparison", partial(cells, methods=options.methods), options))

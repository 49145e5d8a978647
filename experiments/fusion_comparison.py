"""Concatenation or attention, with and without modality dropout, and what is left where a modality is missing.

python experiments/fusion_comparison.py --corpus utd-mhad --recordings DIR --scale laptop --seeds 3
"""

import sys
from collections.abc import Iterator

import tyro

from orchestrator.driver.launch import launch
from orchestrator.plan.options import Options
from orchestrator.plan.plan import Cell
from orchestrator.plan.spec import MODALITIES
from orchestrator.plan.study import Study
from orchestrator.plan.variants import FUSIONS


def cells(study: Study, seed: int) -> Iterator[Cell]:
    for model in MODALITIES:
        yield study.cell("modalities", model, seed)
    for variant in FUSIONS:
        yield study.cell("fusions", "fusion", seed, variant=variant)


if __name__ == "__main__":
    sys.exit(launch("fusion_comparison", cells, tyro.cli(Options, description=__doc__)))

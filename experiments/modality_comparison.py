"""Table 2: IMU only, video only, and both.

python experiments/modality_comparison.py --corpus utd-mhad --recordings DIR --scale laptop
"""

import sys
from collections.abc import Iterator

import tyro

from orchestrator.driver.launch import launch
from orchestrator.plan.options import Options
from orchestrator.plan.plan import Cell
from orchestrator.plan.spec import MODALITIES
from orchestrator.plan.study import Study


def cells(study: Study, seed: int) -> Iterator[Cell]:
    for modality in MODALITIES:
        yield study.cell("modalities", modality, seed)


if __name__ == "__main__":
    sys.exit(launch("modality_comparison", cells, tyro.cli(Options, description=__doc__)))

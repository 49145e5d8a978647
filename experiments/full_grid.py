"""Every cell of the paper's Table 2 and Figures 2 and 3, each distinct run trained once.

python experiments/full_grid.py --recipe demo --also skeleton depth        (synthetic corpus, demo scale: `make grid`)

python experiments/full_grid.py --corpus utd-mhad --recordings DIR --scale laptop --storage DIR

ray job submit --working-dir . -- python experiments/full_grid.py --storage /shared/DIR
"""

import sys
from collections.abc import Iterator

import tyro

from experiments import modality_comparison, training_ratio, zero_shot
from orchestrator.driver.launch import launch
from orchestrator.plan.options import Options
from orchestrator.plan.plan import Cell
from orchestrator.plan.study import Study


def cells(study: Study, seed: int) -> Iterator[Cell]:
    for experiment in (modality_comparison, training_ratio, zero_shot):
        yield from experiment.cells(study, seed)


if __name__ == "__main__":
    sys.exit(launch("full_grid", cells, tyro.cli(Options, description=__doc__)))

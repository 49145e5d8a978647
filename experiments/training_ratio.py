"""Figure 2: accuracy against the share of the training clips.

python experiments/training_ratio.py --corpus utd-mhad --recordings DIR --scale laptop
"""

import sys
from collections.abc import Iterator

import tyro

from experiments.modality_comparison import alone_and_fused
from orchestrator.driver.launch import launch
from orchestrator.plan.options import Options
from orchestrator.plan.plan import Cell
from orchestrator.plan.study import Study

# The paper names 25 % only; the others are read off its figure.
RATIOS = (0.25, 0.5, 0.75, 1.0)


def cells(study: Study, seed: int) -> Iterator[Cell]:
    for ratio in RATIOS:
        for read in alone_and_fused(study):
            yield study.cell("ratio", read, seed, ratio=ratio)


if __name__ == "__main__":
    sys.exit(launch("training_ratio", cells, tyro.cli(Options, description=__doc__)))

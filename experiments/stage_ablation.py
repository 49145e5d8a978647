"""Do two stages help? The fused network trained in one stage, and in two with less and more of it fine-tuned.

python experiments/stage_ablation.py --corpus utd-mhad --recordings DIR --scale laptop --seeds 3
"""

import sys
from collections.abc import Iterator

import tyro

from orchestrator.driver.launch import launch
from orchestrator.plan.options import Options
from orchestrator.plan.plan import Cell
from orchestrator.plan.study import Study

METHODS = ("one-stage", "frozen", "two-stage", "all")


def cells(study: Study, seed: int) -> Iterator[Cell]:
    for method in METHODS:
        yield study.cell("stages", study.modalities, seed, method=method)


if __name__ == "__main__":
    sys.exit(launch("stage_ablation", cells, tyro.cli(Options, description=__doc__)))

"""Table 2: each modality alone, and all of them fused.

python experiments/modality_comparison.py --corpus utd-mhad --recordings DIR --scale laptop
"""

import sys
from collections.abc import Iterator

import tyro

from orchestrator.driver.launch import launch
from orchestrator.plan.options import Options
from orchestrator.plan.plan import Cell
from orchestrator.plan.study import Study


def cells(study: Study, seed: int) -> Iterator[Cell]:
    for read in [*alone_and_fused(study), *besides(study)]:
        yield study.cell("modalities", read, seed)


def alone_and_fused(study: Study) -> list[tuple[str, ...]]:
    """Each of the study's modalities, and of several all together."""
    alone = [(modality,) for modality in study.modalities]
    return alone if len(alone) == 1 else [*alone, study.modalities]


def besides(study: Study) -> list[tuple[str, ...]]:
    """Each modality that --also names, and all of them with the study's own."""
    return [*((modality,) for modality in study.also), (*study.modalities, *study.also)] if study.also else []


if __name__ == "__main__":
    sys.exit(launch("modality_comparison", cells, tyro.cli(Options, description=__doc__)))

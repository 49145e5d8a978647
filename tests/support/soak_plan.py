"""The plan of the soak: four modalities alone and fused, a self-supervised method, a student with its teacher.

python -m tests.support.soak_plan --corpus utd-mhad --recordings DIR --modalities imu skeleton depth video
"""

import sys
from collections.abc import Iterator

import tyro

from experiments import table2
from orchestrator.driver.launch import launch
from orchestrator.plan.options import Options
from orchestrator.plan.plan import Cell
from orchestrator.plan.study import Study

NAME = "soak"


def cells(study: Study, seed: int) -> Iterator[Cell]:
    for read in (*((modality,) for modality in study.modalities), tuple(study.modalities)):
        yield study.cell("modalities", read, seed)
    yield from table2.cells(study, seed, ("cmc-cmkm", "vskd-dask"))


if __name__ == "__main__":
    sys.exit(launch(NAME, cells, tyro.cli(Options, description=__doc__)))

"""Figure 3: classes hidden from one modality, alone and fused: imu*, video*, imu* + video, video* + imu.

python experiments/zero_shot.py --corpus utd-mhad --recordings DIR --scale laptop
"""

import sys
from collections.abc import Iterator

import tyro

from orchestrator.driver.launch import launch
from orchestrator.plan.options import Options
from orchestrator.plan.plan import Cell
from orchestrator.plan.study import Study

# The paper names 1 and 5; its figure has three columns.
HIDDEN = (1, 3, 5)


def cells(study: Study, seed: int) -> Iterator[Cell]:
    for count in HIDDEN:
        hidden = study.hidden(count, seed)
        for modality in study.modalities:
            yield study.cell("zero_shot", modality, seed, hidden={modality: hidden})
        if len(study.modalities) > 1:
            for modality in study.modalities:
                yield study.cell("zero_shot", study.modalities, seed, hidden={modality: hidden})


if __name__ == "__main__":
    sys.exit(launch("zero_shot", cells, tyro.cli(Options, description=__doc__)))

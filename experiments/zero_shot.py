"""Figure 3: classes hidden from one modality: imu*, video*, imu* + video, video* + imu.

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
        yield study.cell("zero_shot", "imu", seed, hidden_imu=hidden)
        yield study.cell("zero_shot", "video", seed, hidden_video=hidden)
        yield study.cell("zero_shot", "fusion", seed, hidden_imu=hidden)
        yield study.cell("zero_shot", "fusion", seed, hidden_video=hidden)


if __name__ == "__main__":
    sys.exit(launch("zero_shot", cells, tyro.cli(Options, description=__doc__)))

"""Which modalities help? Every subset of them, trained and tested on the same clips.

python experiments/modality_subsets.py --corpus utd-mhad --recordings DIR --scale laptop --seeds 3

python experiments/modality_subsets.py --corpus utd-mhad --recordings DIR --scale laptop --only skeleton imu

The second command takes the three subsets of the two modalities that it names and reads no others.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

import tyro

from datasets.modalities import MODALITIES
from orchestrator.driver.launch import launch
from orchestrator.plan.options import Options
from orchestrator.plan.plan import Cell
from orchestrator.plan.study import Study


def cells(study: Study, seed: int) -> Iterator[Cell]:
    for count in range(1, len(study.modalities) + 1):
        for read in combinations(study.modalities, count):
            yield study.cell("subsets", read, seed)


def narrowed(options: Options) -> Options:
    """The options with the modalities that --only names, which are then those that the experiment is about.

    Words of --only that are no modality, or none of --modalities, are left to the plan, which refuses them.
    """
    named = tuple(dict.fromkeys(word for word in options.only if word in MODALITIES))
    alone = len(named) == 1 and "fusion" in options.only  # one modality has no fusion of its own
    if not named or alone or (options.modalities and not set(named) <= set(options.modalities)):
        return options
    return replace(options, modalities=named, only=tuple(word for word in options.only if word not in named))


if __name__ == "__main__":
    options = tyro.cli(Options, description=__doc__)
    sys.exit(launch("modality_subsets", cells, narrowed(options)))

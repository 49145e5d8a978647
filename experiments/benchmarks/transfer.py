"""The grid with recipe `transfer` on inertial signals and depth, against plain scripts, as in grid.py.

The recipe freezes the first blocks of depth's encoder. Ours computes once for the whole plan what they make of the
clips; a script computes it once for its own result, with as many varied views of the clips that this result trains on.
A script that computes one view of each clip anew in every epoch stands beside them, without a target. Its seconds are
worked out: a clip takes what a test clip of the other script took, which was read and went through the blocks once.
"""

from collections.abc import Iterable
from dataclasses import replace

from datasets import splits
from datasets.manifest import Manifest
from experiments.benchmarks import grid
from experiments.benchmarks.row import Place, Row
from orchestrator.driver.terminal import console
from orchestrator.plan.rows import rows_of
from orchestrator.plan.spec import RunSpec

FROZEN = "depth"
EPOCHS = {"imu": 15, FROZEN: 2, "fusion": 2}


def measure(place: Place) -> list[Row]:
    given = {"recipe": "transfer", "modalities": (FROZEN, "imu"), "weights": place.weights}
    place = replace(place, given=given)
    plan, ours, theirs = grid.compare(place, EPOCHS)
    stages = grid.trained_by_scripts(plan)
    trained = sum(theirs[spec.stage].of(spec) for spec in stages)
    once, anew = through_frozen_blocks(stages, place.study.manifest, theirs[FROZEN])
    console.print(
        f"transfer: the scripts train {trained / 3600:.2f} h; frozen blocks once {once / 3600:.2f} h, in every epoch"
        f" {anew / 3600:.2f} h",
        highlight=False,
    )
    return [
        grid.row("transfer", plan, ours, trained + once),
        grid.row("transfer", plan, ours, trained + anew, None, ", frozen blocks in every epoch"),
    ]


def through_frozen_blocks(stages: Iterable[RunSpec], manifest: Manifest, cost: grid.Cost) -> tuple[float, float]:
    """Seconds of all scripts whose stages these are: computed once for a result, and anew in every epoch and test."""
    labels, once, anew = splits.labels(manifest), 0.0, 0.0
    for spec in stages:
        if FROZEN in spec.modalities:
            train, test = rows_of(spec, manifest)
            train = splits.without(train, labels[train], spec.data.hidden.get(FROZEN, ()))
            anew += (spec.optimization.epochs * len(train) + len(test)) * cost.clip
            if spec.stage == FROZEN:  # a fusion's script has kept what its first stage computed
                once += len(train) * cost.views + len(test) * cost.clip
    return once, anew

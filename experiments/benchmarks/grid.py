"""The laptop-scale grid against a plain script for each distinct result, on the same cores.

Both sides train Table 2 for a few epochs, ours with two seeds, so that runs share the cores as in the whole grid.
From what an epoch and the rest of each stage's run took, the whole plan is computed: ours as the searcher schedules
it on these cores, the scripts one after the other, each with all of them.
"""

import json
import time
from dataclasses import dataclass
from statistics import fmean

from experiments import full_grid
from experiments.benchmarks.commands import run
from experiments.benchmarks.row import Place, Row
from orchestrator.cluster import connect, placement
from orchestrator.driver.prepare import make_plan
from orchestrator.driver.terminal import console
from orchestrator.plan.plan import Plan
from orchestrator.plan.recipes import SCALES
from orchestrator.plan.simulation import replay
from orchestrator.plan.spec import RunSpec
from orchestrator.storage.store import Store

EPOCHS = {"imu": 15, "video": 2, "fusion": 2}


@dataclass(frozen=True)
class Cost:
    """Seconds of an epoch with all training clips, and of a run's rest."""

    epoch: float
    rest: float

    def of(self, spec: RunSpec) -> float:
        return self.rest + self.epoch * spec.optimization.epochs * spec.data.ratio


def measure(place: Place) -> list[Row]:
    study = place.study
    plan = make_plan("full_grid", full_grid.cells, study, place.options)
    decoding, ours = orchestrated(place)
    theirs = scripts(place)
    cpus = float(connect.cpus_here())
    for stage in EPOCHS:
        sides = (
            f"{who} {cost.epoch:.1f} and {cost.rest:.1f}"
            for who, cost in (("ours", ours[stage]), ("script", theirs[stage]))
        )
        console.print(f"grid: {stage}, s an epoch and for the rest: {', '.join(sides)}", highlight=False)
    needs = {key: placement.need(spec, study.gpus) for key, spec in plan.runs.items()}
    seconds = {key: ours[spec.stage].of(spec) for key, spec in plan.runs.items()}
    grid = decoding + replay(plan, needs, seconds, cpus, 0.0).makespan
    alone = sum(theirs[plan.runs[key].stage].of(plan.runs[key]) for key in trained_by_scripts(plan))
    of = f"{len(plan.runs)} runs, {plan.stages_without_sharing()} stages"
    return [Row("grid", of, grid / 3600, alone / 3600, "hours", alone / grid, 3.0, True)]


def trained_by_scripts(plan: Plan) -> list[str]:
    """The stage that each training of the scripts is: a result's own, and a fusion's two before it."""
    results = {cell.key for cell in plan.cells}
    return [key for result in sorted(results) for key in (result, *plan.parents(result))]


def orchestrated(place: Place) -> tuple[float, dict[str, Cost]]:
    """Seconds until the first run begins (Ray's start, reading and decoding the corpus), and each stage's mean run."""
    storage, epochs = place.folder / "grid", SCALES[place.scale].epochs
    fewer = [(f"{stage}.times_epochs", str(n / epochs[stage])) for stage, n in EPOCHS.items()]
    began = time.time()
    run(place.command("modality_comparison", "--set", *sum(fewer, ()), "--seeds", "2", "--storage", str(storage)))
    by_stage: dict[str, list[Cost]] = {stage: [] for stage in EPOCHS}
    starts = []
    for folder in Store(storage).runs():
        spec, times, done = folder.spec, folder.record("times"), folder.record("done")
        in_epochs = times["data"] + times["steps"]
        by_stage[spec.stage].append(Cost(in_epochs / spec.optimization.epochs, done["seconds"] - in_epochs))
        starts.append(done["ended"] - done["seconds"])
    costs: dict[str, Cost] = {
        stage: Cost(fmean(cost.epoch for cost in each), fmean(cost.rest for cost in each))
        for stage, each in by_stage.items()
    }
    return min(starts) - began, costs


def scripts(place: Place) -> dict[str, Cost]:
    """The fusion's script has all three stages; a process's start and imports are shared among them."""
    scale, manifest = SCALES[place.scale], place.study.manifest
    file, video = place.store.manifest(manifest.digest), scale.inputs["video"]
    manifest.write(file)
    words = [str(file), str(video["frames"]), str(video["size"]), str(scale.threads["video"])]
    began = time.monotonic()
    printed = run(["experiments/benchmarks/plain.py", *words, *(f"{stage}={n}" for stage, n in EPOCHS.items())])
    wall, found = time.monotonic() - began, json.loads(printed.splitlines()[-1])
    start = (wall - sum(sum(seconds.values()) for seconds in found.values())) / len(found)
    return {stage: Cost(s["epochs"] / EPOCHS[stage], s["rest"] + start) for stage, s in found.items()}

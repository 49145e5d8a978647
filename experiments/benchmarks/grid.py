"""The laptop-scale grid against a plain script for each distinct result, on the same cores.

Both sides train Table 2 for a few epochs, ours with two seeds, so that runs share the cores as in the whole grid.
From what an epoch and the rest of each stage's run took, the whole plan is computed: ours as the searcher schedules
it on these cores, the scripts one after the other, each with all of them.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import fmean

from datasets import splits
from experiments import full_grid, modality_comparison
from experiments.benchmarks.commands import run
from experiments.benchmarks.row import Place, Row
from orchestrator.cluster import connect, placement
from orchestrator.driver.prepare import make_plan
from orchestrator.driver.terminal import console
from orchestrator.plan.plan import Plan
from orchestrator.plan.simulation import replay
from orchestrator.plan.spec import RunSpec
from orchestrator.storage import pretrained
from orchestrator.storage.store import Store

EPOCHS = {"imu": 15, "video": 2, "fusion": 2}


@dataclass(frozen=True)
class Cost:
    """Seconds of an epoch with all training clips, and of a run's rest. Of a script whose network has blocks that never
    train also what those take of a training clip with its views, and of a clip as it is."""

    epoch: float
    rest: float
    views: float = 0.0
    clip: float = 0.0

    def of(self, spec: RunSpec) -> float:
        return self.rest + self.epoch * spec.optimization.epochs * spec.data.ratio


def measure(place: Place) -> list[Row]:
    plan, grid, theirs = compare(place, EPOCHS)
    alone = sum(theirs[spec.stage].of(spec) for spec in trained_by_scripts(plan))
    return [row("grid", plan, grid, alone)]


def row(name: str, plan: Plan, grid: float, alone: float, target: float | None = 3.0, also: str = "") -> Row:
    of = f"{len(plan.runs)} runs, {plan.stages_without_sharing()} stages{also}"
    return Row(name, of, grid / 3600, alone / 3600, "hours", alone / grid, target, True)


def compare(place: Place, epochs: Mapping[str, int]) -> tuple[Plan, float, dict[str, Cost]]:
    """The whole plan, the seconds that it takes ours, and what each stage costs the scripts."""
    study = place.study
    plan = make_plan("full_grid", full_grid.cells, study, place.options)
    theirs = scripts(place, epochs)
    decoding, ours = orchestrated(place, epochs)
    for stage in epochs:
        sides = (
            f"{who} {cost.epoch:.1f} and {cost.rest:.1f}"
            for who, cost in (("ours", ours[stage]), ("script", theirs[stage]))
        )
        console.print(f"grid: {stage}, s an epoch and for the rest: {', '.join(sides)}", highlight=False)
    needs = {key: placement.need(spec, study.gpus) for key, spec in plan.runs.items()}
    seconds = {key: ours[spec.stage].of(spec) for key, spec in plan.runs.items()}
    cpus = float(connect.cpus_here())
    return plan, decoding + replay(plan, needs, seconds, cpus, 0.0).makespan, theirs


def trained_by_scripts(plan: Plan) -> list[RunSpec]:
    """The stage that each training of the scripts is: a result's own, and a fusion's two before it."""
    results = {cell.key for cell in plan.cells}
    return [plan.runs[key] for result in sorted(results) for key in (result, *plan.parents(result))]


def settings(place: Place, epochs: Mapping[str, int]) -> dict[str, str]:
    """With which a stage has so many epochs."""
    return {f"{stage}.times_epochs": str(n / place.study.scaled.epochs[stage]) for stage, n in epochs.items()}


def orchestrated(place: Place, epochs: Mapping[str, int]) -> tuple[float, dict[str, Cost]]:
    """Seconds until the first run begins (Ray's start, reading and decoding the corpus, its way through blocks that
    never train), and each stage's mean run."""
    storage = place.folder / f"grid-{place.options.recipe}"
    fewer = [word for setting in settings(place, epochs).items() for word in setting]
    began = time.time()
    run(place.command("modality_comparison", "--set", *fewer, "--seeds", "2", "--storage", str(storage)))
    by_stage: dict[str, list[Cost]] = {stage: [] for stage in epochs}
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


def scripts(place: Place, epochs: Mapping[str, int]) -> dict[str, Cost]:
    """The fusion's script has all three stages; a process's start and imports are shared among them."""
    study, store = replace(place.study, runs={}, set=settings(place, epochs)), place.store
    plan = make_plan("modality_comparison", modality_comparison.cells, study, place.options)
    pretrained.fetch(plan, store, place.options.weights)
    file, specs = store.manifest(study.manifest.digest), place.folder / f"{place.options.recipe}.json"
    study.manifest.write(file)
    specs.write_text(json.dumps([spec.to_json() for spec in plan.runs.values()]))
    encoders = {name: encoder for spec in plan.runs.values() for name, encoder in spec.network.encoders.items()}
    weights = [f"{name}={store.weights(encoder)}" for name, encoder in encoders.items() if encoder.weights != "none"]
    began = time.monotonic()
    printed = run(["experiments/benchmarks/plain.py", str(file), str(specs), *weights])
    wall, found = time.monotonic() - began, json.loads(printed.splitlines()[-1])
    start = (wall - sum(sum(seconds.values()) for seconds in found.values())) / len(found)
    train, test = splits.split(study.manifest, study.protocol)
    return {
        stage: Cost(
            s["epochs"] / epochs[stage], s["rest"] + start, s.get("train", 0) / len(train), s.get("test", 0) / len(test)
        )
        for stage, s in found.items()
    }

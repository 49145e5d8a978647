"""What a long grid costs beside its trainings: storages of thousands of runs that are done, written directly, and 200
runs through Ray.

The written grid is the paper's whole, leave-one-subject-out over MMAct's 20 subjects, with as many seeds as the runs
need. It has no recordings and no shards, so its report lacks the baselines. What a step costs for each 1,000 runs must
not grow with their number.
"""

import io
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from datasets import splits
from experiments import full_grid, status
from experiments.benchmarks.commands import run
from experiments.benchmarks.planning import made_up
from experiments.benchmarks.row import Place, Row
from experiments.report import Which
from orchestrator.driver.launch import write_results
from orchestrator.driver.prepare import keep_manifests, make_plan
from orchestrator.driver.progress import Progress
from orchestrator.driver.terminal import console
from orchestrator.plan.options import Options
from orchestrator.plan.plan import Plan
from orchestrator.plan.schedule import Need, Schedule
from orchestrator.plan.spec import RunSpec
from orchestrator.plan.study import Study
from orchestrator.report import html, results
from orchestrator.storage.metrics import lacking, score_run
from orchestrator.storage.recovery import recover
from orchestrator.storage.run_folder import RunFolder
from orchestrator.storage.store import Store
from orchestrator.storage.timings import PARTS

SIZES = 1_000, 10_000
CLIPS, THROUGH_RAY = 3600, 200
PAGE, LOOK = "the report's page", "the driver's look at all runs"
# Seconds, and megabytes of the page, for each 1,000 runs.
TARGETS = {"recovery": 5.0, "status": 1.0, "report": 20.0, PAGE: 10.0, "MLflow": 60.0, LOOK: 1.0}
# How much more each may be in the longer grid.
GROWTH = 1.3


def measure(place: Place) -> list[Row]:
    """Of the shorter grid each step against its target, of the longer one against the shorter."""
    (fewer, short), (more, long) = (costs_of(place.folder / str(s), s, "leave-one-subject-out") for s in SIZES)
    units = {name: f"{'MB' if name == PAGE else 's'} for each 1,000" for name in TARGETS}
    rows = [Row("long grid", f"{name}, {fewer:,} runs", short[name], None, units[name], None, most, False)
            for name, most in TARGETS.items()]  # fmt: skip
    for name in TARGETS:
        ratio = long[name] / short[name]
        rows.append(
            Row("long grid", f"{name}, {more:,} runs", long[name], short[name], units[name], ratio, GROWTH, False)
        )
    return [*rows, through_ray(place, THROUGH_RAY)]


def through_ray(place: Place, runs: int) -> Row:
    """What a run of one epoch adds to the grid, in its last quarter beside its first."""
    storage = place.folder / "through-ray"
    words = ("--only", "imu", "--seeds", str(runs), "--set", "imu.times_epochs", "0.025", "--concurrency", "2")
    run(place.command("modality_comparison", *words, "--storage", str(storage), scale="demo"))
    ended = sorted(folder.record("done")["ended"] for folder in Store(storage).runs())
    quarter = len(ended) // 4
    first, last = ended[quarter] - ended[0], ended[-1] - ended[-1 - quarter]
    of = f"{runs} runs through Ray, one of the last quarter"
    return Row("long grid", of, last / quarter, first / quarter, "s a run", last / first, 1.1, False)


def costs_of(folder: Path, size: int, protocol: str) -> tuple[int, dict[str, float]]:
    """The number of runs of a storage with at least `size` of them, and each step's cost for 1,000."""
    from orchestrator.tracking.tracker import Tracker  # two seconds

    plan, study, store = written(folder, size, protocol)
    costs = {"recovery": seconds(lambda: recover(plan, store, print))}
    about = {"seeds": 1 + max(cell.seed for cell in plan.cells), "command": "", "created": "2026-11-26T00:00:00Z"}

    def report() -> Path:
        found = write_results(results.collect(plan, study, store, {}, about), store)
        return html.write(found, store.root / "runs", store.report(plan.name))

    costs["report"] = seconds(report)
    costs[PAGE] = (store.report(plan.name) / "report.html").stat().st_size / 1e6
    with redirect_stdout(io.StringIO()):
        costs["status"] = median(seconds(lambda: status.status(Which(folder, plan.name))) for _ in range(3))
    tracker = Tracker(
        f"sqlite:///{folder / 'mlflow.db'}", store, results.read(store.report(plan.name) / "results.json")
    )

    def track() -> None:
        for key in plan.runs:
            tracker.sync(key)

    costs["MLflow"] = seconds(track) + seconds(lambda: tracker.end("FINISHED", [], {}))
    schedule = Schedule(plan, dict.fromkeys(plan.runs, Need(1, 0)), cpus=2, gpus=0)
    progress = Progress(console, plan, schedule, store, study.training_clips)

    def look() -> None:
        """What the driver does every few seconds while runs are in training."""
        track()
        schedule.next()
        progress.seconds_left()

    costs[LOOK] = seconds(look)
    return len(plan.runs), {name: 1000 * cost / len(plan.runs) for name, cost in costs.items()}


def seconds(step: Callable[[], Any]) -> float:
    began = time.monotonic()
    step()
    return time.monotonic() - began


def written(folder: Path, size: int, protocol: str) -> tuple[Plan, Study, Store]:
    """The plan of at least so many runs, all of which the storage holds."""
    study = Study(made_up(CLIPS), "laptop", "paper", protocol)
    a_seed = len(make_plan("full_grid", full_grid.cells, replace(study, runs={}), Options()).runs)
    plan = make_plan("full_grid", full_grid.cells, study, Options(seeds=-(-size // a_seed)))
    store = Store(folder)
    keep_manifests(plan, study, store)
    for key, spec in plan.runs.items():
        write(store.run(key), spec, study)
    return plan, study, store


def write(folder: RunFolder, spec: RunSpec, study: Study) -> None:
    """A run that is done, with classes drawn at random in place of predictions and a weight for a network."""
    folder.begin(spec)
    for epoch in range(1, spec.optimization.epochs + 1):
        folder.append_history({"epoch": epoch, "loss": 1 / epoch, "train_top1": 0.5, "seconds": 1.0, "ended": 1.0})
    folder.save("model", {"model": {"weight": torch.zeros(1)}})
    folder.write_predictions(drawn(spec, study, np.random.default_rng(int(folder.key[:8], 16))))
    folder.write_metrics(score_run(folder))
    folder.write_times(dict.fromkeys(PARTS, 1.0))
    folder.write_device({"device": "none"})
    folder.write_network(1)
    folder.finish(60.0)


def drawn(spec: RunSpec, study: Study, rng: np.random.Generator) -> pa.Table:
    _, rows = splits.split(study.manifest, spec.data.protocol)
    clips = study.manifest.clips.take(rows)
    said = rng.dirichlet(np.full(len(study.manifest.classes), 0.1), len(rows)).astype(np.float32)
    columns = {name: clips[name] for name in ("clip", "subject", "label", "instance")}
    columns |= {"predicted": pa.array(said.argmax(1)), "probabilities": pa.array(list(said))}
    if len(spec.modalities) > 1:
        columns |= {name: pa.array(said.argmax(1)) for name in lacking(spec.modalities)}
    return pa.table(columns)

"""DRIVER: a plan, from recordings to report. Every experiment ends in `launch`."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import ray
from rich.console import Console

from datasets import corpora
from datasets.corpora import synthetic
from orchestrator import cluster, pretrained, results
from orchestrator.options import Options
from orchestrator.plan import Cell, Plan
from orchestrator.store import Store, write_whole
from orchestrator.study import Study

Cells = Callable[[Study, int], Iterator[Cell]]
T = TypeVar("T")

console = Console(soft_wrap=True)


def launch(name: str, cells: Cells, options: Options) -> int:
    """Run what isn't done of a plan. Exit code: 0 all cells done, 1 some failed, 2 bad input, 130 Ctrl-C."""

    def prepare() -> tuple[Plan, Study, Store] | None:
        study, store = open_study(options)
        plan = make_plan(name, cells, study, options)
        if options.dry_run:
            print_plan(plan, store)
            return None
        pretrained.fetch(plan, store, options.weights)
        where = cluster.connect(options.address)
        console.print(f"{name} on {where}; storage {store.root}")
        cluster.check_placeable(plan, options.scale, cluster.nodes())
        write_shards(study, store)
        return plan, study, store

    prepared = refuse_bad_input(prepare)
    if isinstance(prepared, int):
        return prepared
    return run_plan(*prepared, options) if prepared else 0


def refuse_bad_input(prepare: Callable[[], T]) -> T | int:
    """What `prepare` returns; or, with one message and no traceback, 2 for bad input and 130 for Ctrl-C."""
    try:
        return prepare()
    except ValueError as error:
        Console(stderr=True, soft_wrap=True).print(f"error: {error}", markup=False, highlight=False)
        return 2
    except KeyboardInterrupt:
        console.print("stopped before anything was trained; the same command goes on from here.")
        return 130


def open_study(options: Options) -> tuple[Study, Store]:
    """The corpus, read and checked; nothing is decoded to shards yet."""
    cluster.check_packages()
    options.check()
    store = Store(options.storage.resolve())
    folder = options.recordings
    if options.corpus == "synthetic":
        folder = folder or store.root / "corpora" / "synthetic"
        console.print(f"corpus: synthetic, in {folder}")
        # Three subjects to train on and three to test: 324 clips, a grid of minutes.
        synthetic.write(folder, subjects=6, trials=2, on_progress=_every(100, "clips drawn"))
    assert folder is not None, "options.check refuses a corpus without recordings"
    manifest = corpora.read(options.corpus, folder, store.root / "scans", skip_bad=options.skip_bad)
    manifest.write(store.manifest(manifest.digest))
    console.print(f"corpus: {manifest.corpus}, {manifest.clips.num_rows} clips, video shows {manifest.video}")
    for bad in manifest.bad:
        console.print(f"left out: {bad.file}: {bad.reason}", markup=False)
    return Study(manifest, options.scale, options.recipe, weights=pretrained.name(options.weights)), store


def make_plan(name: str, cells: Cells, study: Study, options: Options) -> Plan:
    found = [cell for seed in range(options.seeds) for cell in cells(study, seed)]
    plan = Plan.of(name, found, study.runs, options.only)
    if not plan.cells:
        raise ValueError(f"--only {' '.join(options.only)}: {name} has no such cell.")
    return plan


def print_plan(plan: Plan, store: Store) -> None:
    """Cells, runs, parents, what is done and what would run."""
    done = store.done(plan.runs)
    console.print(f"{plan.name}: {len(plan.cells)} cells behind {len(plan.runs)} runs, {len(done)} done")
    for key, spec in plan.runs.items():
        used = sum(cell.key == key for cell in plan.cells)
        parents = f"  from {' + '.join(plan.parents(key))}" if spec.parents else ""
        status = "done" if key in done else "would run"
        console.print(f"  {key}  {spec.name:28}  {used} cell(s)  {status}{parents}", highlight=False)


def write_shards(study: Study, store: Store) -> None:
    from datasets import shards

    began = time.monotonic()
    made = shards.write(store.root, study.manifest, study.sampling, _every(200, "clips decoded"))
    console.print(f"shards: {len(made.files)} in {made.folder} ({time.monotonic() - began:.1f} s)")


def run_plan(plan: Plan, study: Study, store: Store, options: Options) -> int:
    """Train what isn't done, with MLflow and the terminal following the run folders; then conclude."""
    from orchestrator import tracking
    from orchestrator.progress import Progress, duration
    from orchestrator.search import Schedule

    began = time.monotonic()
    needs = {key: cluster.need(spec, options.scale) for key, spec in plan.runs.items()}
    schedule = Schedule(plan, needs, *cluster.capacity(), options.concurrency, done=store.done(plan.runs))
    console.print(f"runs: {len(plan.runs)} behind {len(plan.cells)} cells, {len(schedule.done)} done already")
    tracker = tracking.Background(lambda: _tracker(plan, study, store, options), list(plan.runs))
    interrupted = False
    try:
        with Progress(console, plan, schedule, store, options.scale):
            tune(schedule, study, store, options)
    except KeyboardInterrupt:
        interrupted = True
        ray.shutdown()  # ends what is in training now; it goes on from its last checkpoint
    about = {
        "seeds": options.seeds,
        "command": " ".join(["python", *sys.argv]),
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    found = results.collect(plan, study, store, schedule.skipped, about)
    files = write_report(found, store)
    all_done = all(cell["status"] == "done" for cell in found["cells"])
    counts = {"runs_done": len(schedule.done), "runs_failed": len(schedule.failed)}
    missing = tracker.end("KILLED" if interrupted else "FINISHED" if all_done else "FAILED", files, counts)
    if missing:
        where = tracking_uri(store, options)
        console.print(f"tracking: MLflow at {where} lacks some of this ({missing})", markup=False)
    console.print(f"report: {files[-1]}  ({duration(time.monotonic() - began)} for this start)", highlight=False)
    if interrupted:
        console.print("interrupted; the same command goes on from the last checkpoints.")
        return 130
    return 0 if all_done else 1


def write_report(found: dict[str, Any], store: Store) -> list[Path]:
    """results.json and report.html, and the tables and failures in the terminal."""
    from orchestrator import report

    folder = store.root / "reports" / found["plan"]
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "results.json", json.dumps(found, indent=1))
    page = report.write(found, store.root / "runs", folder)
    for table in report.tables(found):
        console.print(table)
    for key, run in found["runs"].items():
        if run["status"] in ("failed", "skipped"):
            console.print(f"{run['status']}: {run['name']} ({key}): {run['reason']}", markup=False, highlight=False)
    return [folder / "results.json", page]


def tune(schedule: Any, study: Study, store: Store, options: Options) -> None:
    """One Tuner releases the plan's runs; returns when none is left to run."""
    if schedule.finished:
        return
    import ray.tune

    from orchestrator.run import run
    from orchestrator.search import PlanSearcher

    configs = {
        key: {
            "key": key,
            "storage": str(store.root),
            "sampling": asdict(study.sampling),  # pyright: ignore[reportArgumentType]
            "resources": cluster.worker_resources(spec, options.scale),
        }
        for key, spec in schedule.plan.runs.items()
    }
    # On the head and without a CPU: a trial only waits for its workers.
    trainable = ray.tune.with_resources(run, {"node:__internal_head__": 0.001})
    ray.tune.Tuner(
        trainable,
        # A trial's process is used again: only the first of those that run side by side pays for its imports.
        tune_config=ray.tune.TuneConfig(
            search_alg=PlanSearcher(schedule, store, configs), num_samples=-1, reuse_actors=True
        ),
        run_config=ray.tune.RunConfig(
            name=f"{schedule.plan.name}-{time.strftime('%Y%m%d-%H%M%S')}",
            storage_path=str(store.root / "tune"),
            verbose=0,
        ),
    ).fit()


def tracking_uri(store: Store, options: Options) -> str:
    return options.tracking_uri or f"sqlite:///{store.root / 'mlflow.db'}"


def _tracker(plan: Plan, study: Study, store: Store, options: Options) -> Any:
    from orchestrator.tracking import Tracker

    about = {
        "corpus": study.manifest.corpus,
        "video": study.manifest.video,
        "scale": study.scale,
        "recipe": study.recipe,
        "protocol": study.protocol,
        "classes": json.dumps(study.manifest.classes),
    }
    return Tracker(tracking_uri(store, options), plan.name, store, about)


def _every(step: int, what: str) -> Callable[[int, int], None]:
    """Progress of a preparation: a line each `step` clips."""

    def show(done: int, total: int) -> None:
        if done % step == 0 or done == total:
            console.print(f"  {done} of {total} {what}", highlight=False)

    return show

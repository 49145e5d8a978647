"""DRIVER: a plan, from recordings to report. Every experiment ends in `launch`."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import ray
from rich.console import Console

from datasets import corpora, splits
from datasets.corpora import synthetic, synthetic_mmact
from datasets.whole import FULL, write_whole
from orchestrator import cluster, lock, preflight, pretrained, results, setting, simulate
from orchestrator.options import Options, without_secrets
from orchestrator.plan import Cell, Plan
from orchestrator.store import Store
from orchestrator.study import Study

Cells = Callable[[Study, int], Iterator[Cell]]
T = TypeVar("T")

console = Console(soft_wrap=True)


def launch(name: str, cells: Cells, options: Options) -> int:
    """Run what isn't done of a plan. Exit code: 0 all cells done, 1 some failed, 2 bad input, 130 Ctrl-C."""

    with ExitStack() as held:
        held.enter_context(cluster.giving_back(options.room))
        prepared = refuse_bad_input(lambda: prepare(name, cells, options, held))
        if isinstance(prepared, int):
            return prepared
        return refuse_bad_input(lambda: run_plan(*prepared, options)) if prepared else 0


def prepare(name: str, cells: Cells, options: Options, held: ExitStack) -> tuple[Plan, Study, Store] | None:
    """All that comes before the first training; None for a dry run. Raises ValueError for bad input.

    The storage is this process's alone until `held` is left.
    """
    introduce(name, options)
    study, store = open_study(options)
    plan = make_plan(name, cells, study, options)
    if options.dry_run:
        print_plan(plan, store)
        if options.simulate:
            simulate_plan(plan, study, store, options)
        return None
    store = take_storage(name, store, held)
    pretrained.fetch(plan, store, options.weights)
    cluster.connect(options.address)
    if options.room:
        console.print(f"asking the cluster's autoscaler for room for {options.room} runs", highlight=False)
        cluster.make_room(plan, study.gpus, options.room)
        cluster.check_shared(store.root, options.storage, options.recordings)
    cluster.check_placeable(plan, study.gpus, cluster.nodes())
    tracking = tracking_uri(store, options)
    console.print(
        preflight.table(
            plan, study, store, cluster.nodes(), options.concurrency, without_secrets(tracking), options.read
        )
    )
    if options.read == "shards":
        write_shards(study, store)
    return plan, study, store


def introduce(name: str, options: Options) -> None:
    """Say what will run and where; join a Ray that is there, and see that all its nodes share the storage."""
    cluster.check_packages()
    options.check()
    root, joined = storage_root(options), cluster.to_join(options.address)
    where = f"the Ray at {joined}" if joined else "a Ray started here"
    corpus = f"the {options.corpus} corpus" if options.corpus.startswith("synthetic") else options.corpus
    console.print(f"{name}: {options.scale} scale on {corpus}, on {where}; storage {root}", highlight=False)
    if joined and not options.dry_run:
        cluster.connect(joined)
        cluster.check_shared(root, options.storage, options.recordings)


def take_storage(name: str, store: Store, held: ExitStack) -> Store:
    """The store with the number of this start. Raises ValueError where another driver is at work on it."""
    return replace(store, start=held.enter_context(lock.held(store.root, name, tell)))


def tell(words: str) -> None:
    console.print(words, markup=False, highlight=False)


def storage_root(options: Options) -> Path:
    """Absolute. A submitted job's folder goes with the job, so there a relative storage lies in the home folder."""
    return (Path.home() / options.storage if cluster.in_job() else options.storage).resolve()


def refuse_bad_input(prepare: Callable[[], T]) -> T | int:
    """What `prepare` returns; or, without a traceback, 2 for bad input, 1 for a full disk and 130 for Ctrl-C."""
    try:
        return prepare()
    except (ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in FULL:
            raise
        Console(stderr=True, soft_wrap=True).print(f"error: {error}", markup=False, highlight=False)
        return 1 if isinstance(error, OSError) else 2
    except KeyboardInterrupt:
        console.print("stopped before anything was trained; the same command goes on from here.")
        return 130


def open_study(options: Options) -> tuple[Study, Store]:
    """The corpus, read and checked; nothing is decoded to shards yet."""
    store = Store(storage_root(options))
    folder = options.recordings
    if options.corpus.startswith("synthetic"):
        folder = folder or store.root / "corpora" / options.corpus
        console.print(f"corpus: {options.corpus}, in {folder}")
        if options.corpus == "synthetic":
            # Three subjects to train on and three to test: 324 clips, a grid of minutes.
            synthetic.write(folder, subjects=6, trials=2, on_progress=_every(100, "clips drawn"))
        else:
            synthetic_mmact.write(folder, on_progress=_every(20, "instances drawn"))
    assert folder is not None, "options.check refuses a corpus without recordings"
    manifest = corpora.read(
        options.corpus,
        folder,
        store.root / "scans",
        skip_bad=options.skip_bad,
        desk_classes=options.desk_classes,
        missing_sensors=options.missing_sensors,
        say=tell,
    )
    protocol = options.protocol or splits.default(manifest)
    splits.check(manifest, protocol)
    manifest.write(store.manifest(manifest.digest))
    console.print(f"corpus: {manifest.corpus}, {manifest.clips.num_rows} clips, video shows {manifest.video}")
    for bad in manifest.bad:
        console.print(f"left out: {bad.file}: {bad.reason}", markup=False)
    for note in manifest.notes:
        console.print(f"note: {note}", markup=False, highlight=False)
    weights = pretrained.name(options.weights)
    study = Study(manifest, options.scale, options.recipe, protocol, weights, options.workers, options.gpus)
    how = setting.apply(study.recipe_used, setting.parse(options.set)) if options.set else None
    return replace(study, how=how, set=options.set), store


def make_plan(name: str, cells: Cells, study: Study, options: Options) -> Plan:
    found = [cell for seed in range(options.seeds) for fold in study.folds() for cell in cells(fold, seed)]
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


def simulate_plan(plan: Plan, study: Study, store: Store, options: Options) -> None:
    assert options.simulate
    cpus, gpus = simulate.parse(options.simulate)
    train, _ = splits.split(study.manifest, study.folds()[0].protocol)
    seconds, source = simulate.durations(plan, store, len(train))
    needs = {key: cluster.need(spec, study.gpus) for key, spec in plan.runs.items()}
    console.print(simulate.table(plan, seconds, needs, cpus, gpus))
    console.print(f"seconds of {source}", highlight=False)


def write_shards(study: Study, store: Store) -> None:
    from datasets import shards

    began = time.monotonic()
    made = shards.write(store.root, study.manifest, study.sampling, _every(200, "clips decoded"), tell)
    console.print(f"shards: {len(made.files)} in {made.folder} ({time.monotonic() - began:.1f} s)")


def run_plan(plan: Plan, study: Study, store: Store, options: Options) -> int:
    """Train what isn't done, with MLflow and the terminal following the run folders; then conclude."""
    from orchestrator import tracking
    from orchestrator.mend import mend
    from orchestrator.progress import Progress, duration
    from orchestrator.search import Schedule

    began = time.monotonic()
    needs = {key: cluster.need(spec, study.gpus) for key, spec in plan.runs.items()}
    schedule = Schedule(plan, needs, *cluster.capacity(), options.concurrency, done=mend(plan, store, tell))
    start = {
        "seeds": options.seeds,
        "command": without_secrets(" ".join(["python", *sys.argv])),
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    # Before anything is trained, so that `status` and `track` know the plan whatever happens to this process.
    found = write_results(results.collect(plan, study, store, {}, start), store)
    tracker = tracking.Background(lambda: tracking.Tracker(tracking_uri(store, options), store, found), list(plan.runs))
    interrupted = False
    train, _ = splits.split(study.manifest, splits.folds(study.manifest, study.protocol)[0])
    with interruptible():
        try:
            with Progress(console, plan, schedule, store, options.scale, len(train)):
                tune(schedule, study, store, options, tracking.tags(found))
        except KeyboardInterrupt:
            interrupted = True
            console.print("stopping; once more Ctrl-C leaves at once.")
            cluster.give_back(options.room)
            ray.shutdown()  # ends what is in training now; it goes on from its last checkpoint
        found = write_results(results.collect(plan, study, store, schedule.skipped, start), store)
        files = write_report(found, store)
        all_done = all(cell["status"] == "done" for cell in found["cells"])
        counts = {"runs_done": len(schedule.done), "runs_failed": len(schedule.failed)}
        missing = tracker.end("KILLED" if interrupted else "FINISHED" if all_done else "FAILED", files, counts)
    if missing:
        where, missing = (without_secrets(words) for words in (tracking_uri(store, options), missing))
        console.print(f"tracking: MLflow at {where} lacks some of this ({missing}). To log it later:", markup=False)
        console.print(f"  python experiments/track.py --storage {store.root} --tracking-uri {where}", markup=False)
    console.print(f"report: {files[-1]}  ({duration(time.monotonic() - began)} for this start)", highlight=False)
    if interrupted:
        console.print("interrupted; the same command goes on from the last checkpoints.")
        return 130
    return 0 if all_done else 1


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C, or SIGTERM as a scheduler sends it, is a KeyboardInterrupt; the second one ends the process at once."""

    def leave(*_: object) -> None:
        console.show_cursor(True)
        console.print("left at once; the same command goes on from what is done.")
        os._exit(130)

    def stop(*_: object) -> None:
        for number in numbers:
            signal.signal(number, leave)
        raise KeyboardInterrupt

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, stop) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def write_results(found: dict[str, Any], store: Store) -> dict[str, Any]:
    folder = store.report(found["plan"])
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "results.json", json.dumps(found, indent=1))
    return found


def write_report(found: dict[str, Any], store: Store) -> list[Path]:
    """report.html, and the tables and failures in the terminal; returns what the tracking server gets."""
    from orchestrator import report

    folder = store.report(found["plan"])
    page = report.write(found, store.root / "runs", folder)
    for table in report.tables(found):
        console.print(table)
    for key, run in found["runs"].items():
        if run["status"] in ("failed", "skipped"):
            console.print(f"{run['status']}: {run['name']} ({key}): {run['reason']}", markup=False, highlight=False)
    return [folder / "results.json", page]


def tune(schedule: Any, study: Study, store: Store, options: Options, about: dict[str, str]) -> None:
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
            "start": store.start,
            "sampling": study.sampling.to_json(),
            "read": options.read,
            "resources": cluster.worker_resources(spec, study.gpus),
        }
        for key, spec in schedule.plan.runs.items()
    }
    # On the head and without a CPU: a trial only waits for its workers.
    trainable = ray.tune.with_resources(run, {"node:__internal_head__": 0.001})
    ray.tune.Tuner(
        trainable,
        # A trial's process is used again: only the first of those that run side by side pays for its imports.
        tune_config=ray.tune.TuneConfig(
            search_alg=PlanSearcher(schedule, store, configs, about), num_samples=-1, reuse_actors=True
        ),
        run_config=ray.tune.RunConfig(
            name=f"{schedule.plan.name}-{time.strftime('%Y%m%d-%H%M%S')}",
            storage_path=str(store.root / "tune"),
            verbose=0,
        ),
    ).fit()


def tracking_uri(store: Store, options: Options) -> str:
    return options.tracking_uri or f"sqlite:///{store.root / 'mlflow.db'}"


def _every(step: int, what: str) -> Callable[[int, int], None]:
    """Progress of a preparation: a line each `step` clips."""

    def show(done: int, total: int) -> None:
        if done % step == 0 or done == total:
            console.print(f"  {done} of {total} {what}", highlight=False)

    return show

"""DRIVER: what comes before the first training: the corpus read, the plan made, the cluster asked, clips decoded."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from datasets import corpora, splits, undecoded
from datasets.corpora import synthetic, synthetic_mmact
from datasets.manifest import BadRecordings
from orchestrator import cluster, lock, precision, preflight, pretrained, simulate, startup
from orchestrator.idle import refuse_idle
from orchestrator.options import Options
from orchestrator.plan import Cell, Plan
from orchestrator.secret import without_secrets
from orchestrator.store import Store
from orchestrator.study import Study
from orchestrator.terminal import console, every, tell

Cells = Callable[[Study, int], Iterator[Cell]]


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
    here = cluster.to_join(options.address) is None
    cluster.check_placeable(plan, study.gpus, cluster.nodes(), here)
    # What is done is only read, wherever it was trained.
    precision.check((spec for key, spec in plan.runs.items() if store.run(key).status != "done"), study.gpus)
    nodes, tracking = cluster.nodes(), options.tracking(store.root).described
    console.print(preflight.table(plan, study, store, nodes, options.concurrency, tracking, options.read, here))
    if options.read == "shards":
        study = write_shards(study, store)
    return plan, study, store


def introduce(name: str, options: Options) -> None:
    """Say what will run and where; join a Ray that is there, and see that all its nodes share the storage."""
    cluster.check_packages()
    options.check()
    root, joined = storage_root(options), cluster.to_join(options.address)
    startup.check_storage(root, options.storage)
    where = f"the Ray at {without_secrets(joined)}" if joined else "a Ray started here"
    corpus = f"the {options.corpus} corpus" if options.corpus.startswith("synthetic") else options.corpus
    console.print(f"{name}: {options.scale} scale on {corpus}, on {where}; storage {root}", highlight=False)
    if joined and not options.dry_run:
        cluster.connect(joined)
        cluster.check_shared(root, options.storage, options.recordings)


def take_storage(name: str, store: Store, held: ExitStack) -> Store:
    """The store with the number of this start. Raises ValueError where another driver is at work on it."""
    return replace(store, start=held.enter_context(lock.held(store.root, name, tell)))


def storage_root(options: Options) -> Path:
    """Absolute. A submitted job's folder goes with the job, so there a relative storage lies in the home folder."""
    return (Path.home() / options.storage if cluster.in_job() else options.storage).resolve()


def scans(store: Store) -> Path:
    """What is remembered of recordings that were read."""
    return store.root / "scans"


def open_study(options: Options) -> tuple[Study, Store]:
    """The corpus, read and checked; nothing is decoded to shards yet."""
    store = Store(storage_root(options))
    folder = options.recordings
    if options.corpus.startswith("synthetic"):
        folder = folder or store.root / "corpora" / options.corpus
        console.print(f"corpus: {options.corpus}, in {folder}")
        if options.corpus == "synthetic":
            # Three subjects to train on and three to test: 324 clips, a grid of minutes.
            synthetic.write(folder, subjects=6, trials=2, on_progress=every(100, "clips drawn"))
        else:
            synthetic_mmact.write(folder, on_progress=every(20, "instances drawn"))
    assert folder is not None, "options.check refuses a corpus without recordings"
    manifest = corpora.read(
        options.corpus,
        folder,
        scans(store),
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
        tell(f"left out: {bad.file}: {bad.reason}")
    unused = splits.unused(manifest, protocol)
    manifest = replace(manifest, notes=(*manifest.notes, *([unused] if unused else ())))
    for note in manifest.notes:
        tell(f"note: {note}")
    weights = pretrained.name(options.weights)
    study = Study(
        manifest, options.scale, options.recipe, protocol, weights, options.workers, options.gpus, set=options.set
    )
    _ = study.recipe_used  # raises ValueError for what --set can't mean
    return study, store


def make_plan(name: str, cells: Cells, study: Study, options: Options) -> Plan:
    found = [cell for seed in range(options.seeds) for fold in study.folds() for cell in cells(fold, seed)]
    plan = Plan.of(name, found, study.runs, options.only)
    if not plan.cells:
        raise ValueError(f"--only {' '.join(options.only)}: {name} has no such cell.")
    for spec in plan.runs.values():
        refuse_idle(spec)
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
    seconds, source = simulate.durations(plan, store, study.training_clips)
    needs = {key: cluster.need(spec, study.gpus) for key, spec in plan.runs.items()}
    console.print(simulate.table(plan, seconds, needs, cpus, gpus))
    console.print(f"seconds of {source}", highlight=False)


def write_shards(study: Study, store: Store) -> Study:
    """The study with what decoding told of its recordings."""
    from datasets import shards

    began = time.monotonic()
    try:
        made = shards.write(store.root, study.manifest, study.sampling, every(200, "clips decoded"), tell)
    except BadRecordings as error:
        undecoded.remember(scans(store), study.manifest.root, error.bad)
        raise
    console.print(f"shards: {len(made.files)} in {made.folder} ({time.monotonic() - began:.1f} s)")
    for note in made.notes:
        tell(f"note: {note}")
    return replace(study, manifest=replace(study.manifest, notes=(*study.manifest.notes, *made.notes)))

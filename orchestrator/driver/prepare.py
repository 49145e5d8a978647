"""DRIVER: what comes before the first training: the corpus read, the plan made, the cluster asked, clips decoded."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from datasets import corpora, modalities, splits, undecoded
from datasets.corpora import CORPORA
from datasets.files.bad_file import BadRecordings
from orchestrator.cluster import connect, nodes, placement, precision, start_errors
from orchestrator.driver import preflight, trunks
from orchestrator.driver.terminal import console, every, tell
from orchestrator.plan import overrides, simulation
from orchestrator.plan.options import Options
from orchestrator.plan.plan import Cell, Plan, matching
from orchestrator.plan.recipes import recipe_of
from orchestrator.plan.study import Outline, Study
from orchestrator.plan.unused_options import refuse_unused
from orchestrator.storage import lock, pretrained
from orchestrator.storage.redaction import without_secrets
from orchestrator.storage.store import Store
from orchestrator.tracking.address import address

Cells = Callable[[Any, int], Iterator[Cell]]  # of a Study, or of its Outline


def prepare(name: str, cells: Cells, options: Options, held: ExitStack) -> tuple[Plan, Study, Store] | None:
    """All that comes before the first training; None for a dry run. Raises ValueError for bad input.

    The storage is this process's alone until `held` is left.
    """
    introduce(name, options)
    study, store = open_study(options, used(name, cells, options))
    plan = make_plan(name, cells, study, options)
    keep_manifests(plan, study, store)
    if options.dry_run:
        print_plan(plan, store)
        if options.simulate:
            simulate_plan(plan, study, store, options)
        return None
    store = take_storage(name, store, held)
    pretrained.fetch(plan, store, options.weights)
    connect.connect(options.address, tell)
    if options.room:
        console.print(f"asking the cluster's autoscaler for room for {options.room} runs", highlight=False)
        placement.make_room(plan, study.gpus, options.room)
        nodes.check_shared(store.root, options.storage, options.recordings)
    here = connect.to_join(options.address) is None
    placement.check_placeable(plan, study.gpus, nodes.alive(), here)
    # What is done is only read, wherever it was trained.
    precision.check((spec for key, spec in plan.runs.items() if store.run(key).status != "done"), study.gpus)
    tracking = address(options.tracking_uri, store.root).described
    there, cards = nodes.alive(), nodes.all_cards()
    console.print(preflight.table(plan, study, store, there, options.concurrency, tracking, options.read, here, cards))
    if options.read == "shards":
        jobs = trunks.needed(plan, study, store)
        study = write_shards(study, store, plan.inputs)
        trunks.write(jobs, study, store)
    return plan, study, store


def introduce(name: str, options: Options) -> None:
    """Say what will run and where; join a Ray that is there, and see that all its nodes share the storage."""
    connect.check_packages()
    options.check()
    address(options.tracking_uri, options.storage).check()
    root, joined = storage_root(options), connect.to_join(options.address)
    start_errors.check_storage(root, options.storage)
    where = f"the Ray at {without_secrets(joined)}" if joined else "a Ray started here"
    corpus = f"the {options.corpus} corpus" if options.corpus.startswith("synthetic") else options.corpus
    console.print(f"{name}: {options.scale} scale on {corpus}, on {where}; storage {root}", highlight=False)
    if joined and not options.dry_run:
        connect.connect(joined, tell)
        nodes.check_shared(root, options.storage, options.recordings)


def take_storage(name: str, store: Store, held: ExitStack) -> Store:
    """The store with the number of this start. Raises ValueError where another driver is at work on it."""
    return replace(store, start=held.enter_context(lock.held(store.root, name, tell)))


def storage_root(options: Options) -> Path:
    """Absolute. A submitted job's folder goes with the job, so there a relative storage lies in the home folder."""
    return (Path.home() / options.storage if connect.in_job() else options.storage).resolve()


def scans(store: Store) -> Path:
    """What is remembered of recordings that were read."""
    return store.root / "scans"


def used(name: str, cells: Cells, options: Options) -> tuple[str, ...]:
    """The modalities that the plan's cells take. Raises ValueError where --only leaves none of its cells."""
    outline = Outline(asked(options), besides(options))
    found = matching(cells(outline, 0), options.only)
    if not found:
        raise ValueError(f"--only {' '.join(options.only)}: {name} has no such cell.")
    read = {modality for cell in found for modality in cell.modalities}
    if unread := [modality for modality in outline.also if modality not in read]:
        raise ValueError(
            f"--also {' '.join(unread)}: no cell of {name} that was asked for reads it. Table 2 of full_grid and of"
            " modality_comparison does, unless --only leaves it out."
        )
    return tuple(sorted(read))


def besides(options: Options) -> tuple[str, ...]:
    """What Table 2 is about besides. Raises ValueError for a modality that isn't there."""
    _check("--also", options.also)
    return tuple(sorted(set(options.also) - set(asked(options))))


def asked(options: Options) -> tuple[str, ...]:
    """What the experiment is about. Raises ValueError for a modality that isn't there."""
    _check("--modalities", options.modalities)
    return tuple(sorted(set(options.modalities) or corpora.of(options.corpus).modalities))


def _check(flag: str, given: Sequence[str]) -> None:
    if unknown := [name for name in given if name not in modalities.MODALITIES]:
        raise ValueError(f"{flag} {' '.join(unknown)}: choose from {', '.join(modalities.MODALITIES)}.")


def open_study(options: Options, read: Sequence[str] = ()) -> tuple[Study, Store]:
    """The corpus, of it the modalities `read`, read and checked; nothing is decoded to shards yet."""
    check_words(options)
    store = Store(storage_root(options))
    read = read or asked(options)
    folder = draw(options, store, read) if options.corpus.startswith("synthetic") else options.recordings
    assert folder is not None, "options.check refuses a corpus without recordings"
    manifest = corpora.read(
        options.corpus,
        folder,
        scans(store),
        read,
        skip_bad=options.skip_bad,
        desk_classes=options.desk_classes,
        missing_sensors=options.missing_sensors,
        say=tell,
    )
    protocol = options.protocol or splits.default(manifest)
    splits.check(manifest, protocol)
    shown = "".join(f", {modality} shows {what}" for modality, what in manifest.shows.items())
    console.print(f"corpus: {manifest.corpus}, {manifest.clips.num_rows} clips{shown}")
    for bad in manifest.bad:
        tell(f"left out: {bad.file}: {bad.reason}")
    unused = splits.unused(manifest, protocol)
    manifest = replace(manifest, notes=(*manifest.notes, *([unused] if unused else ())))
    for note in manifest.notes:
        tell(f"note: {note}")
    weights = pretrained.named(options.weights)
    study = Study(
        manifest, options.scale, options.recipe, protocol, asked(options), weights, options.workers, options.gpus,
        set=options.set, also=besides(options),
    )  # fmt: skip
    if (options.scale, options.recipe) == ("demo", "paper"):
        tell("note: demo scale is too short for recipe paper to learn much; --recipe demo is made for it.")
    return study, store


def check_words(options: Options) -> None:
    """Before a recording is read or drawn. Raises ValueError for what --set or --simulate can't mean."""
    layout = CORPORA[options.corpus].replace("_", "-")  # whose recipes these are, as a Manifest names it
    overrides.apply(recipe_of(options.recipe, layout), options.set)
    if options.simulate:
        simulation.parse(options.simulate)


def draw(options: Options, store: Store, read: Sequence[str]) -> Path:
    """The folder of the synthetic corpus, with what it lacked of these modalities drawn."""
    folder = options.recordings or store.root / "corpora" / options.corpus
    console.print(f"corpus: {options.corpus}, in {folder}")
    from datasets.synthetic import mmact, utd_mhad  # here, not above: they take half a second of a core to import

    if options.corpus == "synthetic":
        # Four subjects to train on and four to test, as in the paper, with one trial of each class: 216 clips.
        return utd_mhad.write(folder, subjects=8, trials=1, modalities=read, on_progress=every(100, "clips drawn"))
    return mmact.write(folder, modalities=read, on_progress=every(20, "instances drawn"))


def make_plan(name: str, cells: Cells, study: Study, options: Options) -> Plan:
    found = [cell for seed in range(options.seeds) for fold in study.folds() for cell in cells(fold, seed)]
    plan = Plan.of(name, found, study.runs, options.only)
    for flag, given in (("--workers", options.workers), ("--gpus", options.gpus)):
        if unknown := [stage for stage in given if stage not in plan.stages]:
            raise ValueError(f"{flag} {' '.join(unknown)}: this plan has no such stage, only {', '.join(plan.stages)}.")
    for spec in plan.runs.values():
        refuse_unused(spec)
    return plan


def keep_manifests(plan: Plan, study: Study, store: Store) -> None:
    """Of each set of modalities that its runs read, by the digest that their specs name."""
    for read in {spec.modalities for spec in plan.runs.values()}:
        manifest = study.manifest.of(read)
        manifest.write(store.manifest(manifest.digest))


def print_plan(plan: Plan, store: Store) -> None:
    """Cells, runs, parents, what is done and what would run."""
    done = store.done(plan.runs)
    console.print(f"{plan.name}: {len(plan.cells)} cells behind {len(plan.runs)} runs, {len(done)} done")
    for key, spec in plan.runs.items():
        used = sum(cell.key == key for cell in plan.cells)
        parents = f"  from {' + '.join(dict.fromkeys(plan.parents(key)))}" if spec.parents else ""
        status = "done" if key in done else "would run"
        console.print(f"  {key}  {spec.name:28}  {used} cell(s)  {status}{parents}", highlight=False)


def simulate_plan(plan: Plan, study: Study, store: Store, options: Options) -> None:
    assert options.simulate
    cpus, gpus = simulation.parse(options.simulate)
    seconds, source = simulation.durations(plan, store.seconds(plan.runs), study.training_clips)
    needs = {key: placement.need(spec, study.gpus) for key, spec in plan.runs.items()}
    console.print(simulation.table(plan, seconds, needs, cpus, gpus))
    console.print(f"seconds of {source}", highlight=False)


def write_shards(study: Study, store: Store, inputs: Iterable[tuple[str, Any]]) -> Study:
    """Those of each Input, by its modality; the study with what decoding told of its recordings."""
    from datasets import sharding

    notes = list(study.manifest.notes)
    for name, given in inputs:
        began = time.monotonic()
        try:
            made = sharding.write(store.root, study.manifest, name, given, every(200, f"{name} clips decoded"), tell)
        except BadRecordings as error:
            undecoded.remember(scans(store), study.manifest.root, error.bad)
            raise
        console.print(f"shards: {len(made.files)} in {made.folder} ({time.monotonic() - began:.1f} s)")
        for note in made.notes:
            tell(f"note: {note}")
        notes += made.notes
    return replace(study, manifest=replace(study.manifest, notes=tuple(notes)))

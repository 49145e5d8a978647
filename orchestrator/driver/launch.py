"""DRIVER: a plan, from recordings to report. Every experiment ends in `launch`."""

import json
import logging
import shlex
import sys
import threading
import time
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Any

import ray

from datasets.files.atomic import write_whole
from orchestrator.cluster import connect, nodes, placement
from orchestrator.driver.prepare import Cells, prepare
from orchestrator.driver.terminal import console, interruptible, refuse_bad_input, tell
from orchestrator.plan.options import Options
from orchestrator.plan.plan import Plan
from orchestrator.plan.study import Study
from orchestrator.report import results
from orchestrator.storage.redaction import without_secrets
from orchestrator.storage.store import Store
from orchestrator.tracking.address import FLAG, Address, address

# What the report is made with: two seconds of imports that the training needn't wait for, nor the report.
CONCLUDING = "orchestrator.report.html", "orchestrator.report.tables", "scipy.stats"


def launch(name: str, cells: Cells, options: Options) -> int:
    """Run what isn't done of a plan. Exit code: 0 all cells done, 1 some failed, 2 bad input, 130 Ctrl-C."""
    began = time.monotonic()
    with ExitStack() as held:
        if not ray.is_initialized():
            held.callback(connect.leave)
        held.enter_context(placement.giving_back(options.room))
        prepared = refuse_bad_input(lambda: prepare(name, cells, options, held))
        if isinstance(prepared, int):
            return prepared
        return refuse_bad_input(lambda: run_plan(*prepared, options, began)) if prepared else 0


def run_plan(plan: Plan, study: Study, store: Store, options: Options, began: float) -> int:
    """Train what isn't done, with MLflow and the terminal following the run folders; then conclude.

    `began` is when the start began, by `time.monotonic`.
    """
    from orchestrator.driver.progress import Progress, duration
    from orchestrator.plan.schedule import Schedule
    from orchestrator.storage.recovery import recover
    from orchestrator.tracking.background import follow

    needs = {key: placement.need(spec, study.gpus) for key, spec in plan.runs.items()}
    schedule = Schedule(plan, needs, *placement.capacity(), options.concurrency, done=recover(plan, store, tell))
    start = {
        "seeds": options.seeds,
        "command": without_secrets(" ".join(["python", *sys.argv])),
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    # Before anything is trained, so that `status` and `track` know the plan whatever happens to this process.
    found = write_results(results.collect(plan, study, store, {}, start), store)
    uri = address(options.tracking_uri, store.root).uri
    logging_mlflow = follow(uri, store, found, list(plan.runs))
    interrupted = False
    with interruptible():
        try:
            threading.Thread(target=import_ahead, args=CONCLUDING, daemon=True).start()
            with Progress(console, plan, schedule, store, study.training_clips):
                tune(schedule, study, store, options, results.tags(found))
        except KeyboardInterrupt:
            interrupted = True
            console.print("stopping; once more Ctrl-C leaves at once.")
            placement.give_back(options.room)
            connect.leave()  # ends what is in training now; it goes on from its last checkpoint
        found = write_results(results.collect(plan, study, store, schedule.skipped, start), store)
        files = write_report(found, store)
        all_done = all(cell["status"] == "done" for cell in found["cells"])
        counts = {"runs_done": len(schedule.done), "runs_failed": len(schedule.failed)}
        missing = logging_mlflow.end("KILLED" if interrupted else "FINISHED" if all_done else "FAILED", files, counts)
    if missing:
        tell_lacking(address(options.tracking_uri, store.root), store.root, missing)
    console.print(f"report: {files[-1]}  ({duration(time.monotonic() - began)} for this start)", highlight=False)
    if interrupted:
        console.print("interrupted; the same command goes on from each run's last checkpoint, where it has one.")
        return 130
    return 0 if all_done else 1


def import_ahead(*modules: str) -> None:
    """Import them one after the other: several at once could see one another half made."""
    for module in modules:
        import_module(module)


def tell_lacking(where: Address, root: Path, missing: str) -> None:
    """What MLflow lacks, why, and how it gets it: first what is in the way, which track.py meets as well."""
    uri = f" --tracking-uri {shlex.quote(where.uri)}" if where.given_by == FLAG else ""
    tell(without_secrets(f"tracking: MLflow at {where.uri} lacks some of this. {missing}"))
    tell("Once that is settled, this logs the rest:")
    tell(without_secrets(f"  python experiments/track.py --storage {shlex.quote(str(root))}{uri}"))


def write_results(found: dict[str, Any], store: Store) -> dict[str, Any]:
    folder = store.report(found["plan"])
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "results.json", json.dumps(found, indent=1))
    return found


def write_report(found: dict[str, Any], store: Store) -> list[Path]:
    """report.html, and the tables and failures in the terminal; returns what the tracking server gets."""
    from orchestrator.report import html, tables

    folder = store.report(found["plan"])
    page = html.write(found, store.root / "runs", folder)
    for table in tables.tables(found):
        console.print(table)
    for key, run in found["runs"].items():
        if run["status"] in ("failed", "skipped"):
            console.print(f"{run['status']}: {run['name']} ({key}): {run['reason']}", markup=False, highlight=False)
        for lost in run["retried"]:
            words = f"retried: {run['name']} ({key}), lost after epoch {lost['epoch']}: {lost['reason']}"
            console.print(words, markup=False, highlight=False)
    return [folder / "results.json", page]


def tune(schedule: Any, study: Study, store: Store, options: Options, about: dict[str, str]) -> None:
    """One Tuner releases the plan's runs; returns when none is left to run."""
    if schedule.finished:
        return
    import ray.tune

    from orchestrator.driver.searcher import PlanSearcher
    from orchestrator.trial.trainable import run, share_processes

    if connect.to_join(options.address) is None:
        share_processes()

    configs = {
        key: placement.config_of(spec, study, store, options.read, options.spot)
        for key, spec in schedule.plan.runs.items()
    }
    # Tune's state of its own is never read, so that a full disk doesn't keep it is worth no traceback; and of a trial
    # that was lost the run folder, the terminal and the report say so in a sentence.
    for name in ("execution.experiment_state", "execution.tune_controller", "tune"):
        logging.getLogger(f"ray.tune.{name}").setLevel(logging.CRITICAL)
    there = nodes.alive()
    most = max(
        placement.at_once(spec, study.gpus, there, options.concurrency) for spec in placement.kinds_of(schedule.plan)
    )
    trainable = ray.tune.with_resources(run, placement.trial_resources(min(most, len(schedule.plan.runs)), there))
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

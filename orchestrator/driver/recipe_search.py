"""DRIVER of a search: Ray Tune with Optuna and ASHA over settings of a recipe, judged on validation folds alone."""

import hashlib
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import optuna
import ray
import ray.tune
from optuna.trial import TrialState
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search import ConcurrencyLimiter
from ray.tune.search.optuna import OptunaSearch

from datasets import corpora, modalities, splits
from datasets.files.atomic import read_json
from models.methods import DEFAULT
from orchestrator.cluster import connect, nodes, placement
from orchestrator.driver import trunks
from orchestrator.driver.launch import run_plan, tell_lacking
from orchestrator.driver.prepare import asked, prepare
from orchestrator.driver.search_results import conclude
from orchestrator.driver.search_trial import Looks, judged, looks, validate, with_parents
from orchestrator.driver.terminal import console, interruptible, refuse_bad_input
from orchestrator.plan.options import Options
from orchestrator.plan.plan import Cell, Plan
from orchestrator.plan.study import Outline, Study, stages_of
from orchestrator.plan.unused_options import refuse_unused
from orchestrator.report import results
from orchestrator.storage.store import Store
from orchestrator.tracking.address import address, sqlite
from orchestrator.tracking.background import follow
from orchestrator.trial.trainable import share_processes

PLAN = "recipe_search"

optuna.logging.set_verbosity(optuna.logging.WARNING)


@dataclass(frozen=True)
class SearchOptions(Options):
    recipe: Literal["paper", "tuned", "transfer", "demo"] = "tuned"
    """Where the search starts: what a setting doesn't name is this recipe's."""
    protocol: (
        Literal[
            "odd-even-validation",
            "even-odd-validation",
            "cross-subject-validation",
            "cross-session-validation",
            "cross-scene-validation",
        ]
        | None
    ) = None  # pyright: ignore
    """Whose training subjects (sessions, scenes) are looked at, each tested once by what the others trained; default:
    those of the corpus's first protocol."""
    modality: str = next(iter(modalities.MODALITIES))
    """What is searched, by its stage: stage 1 of a modality, stage 2 from the recipe's own stage 1, or a stage of
    --method."""
    method: str = DEFAULT
    """Whose stage it is, of models/methods; a setting is judged by what the method's last stage then scores."""
    settings: int = 30
    """How many settings are tried; the same command with more goes on, and with 0 only the start is judged."""
    looks: int | None = None
    """How many of the validation folds a setting is judged by; default: all."""
    sampler_seed: int = 0
    """Of the search itself."""


def search(options: SearchOptions, space: dict[str, Any]) -> int:
    """First the recipe as it is, then settings against it; what all settings gave comes last."""
    began = time.monotonic()
    options = with_modalities(with_protocol(options))
    protocol = str(options.protocol)

    def cells(study: Study | Outline, seed: int) -> Iterator[Cell]:
        if isinstance(study, Outline) or study.protocol in splits.folds(study.manifest, protocol)[: options.looks]:
            yield judged(study, judged_by(options), seed)

    with ExitStack() as held:
        held.enter_context(placement.giving_back(options.room))
        prepared = refuse_bad_input(lambda: check_stage(options) or prepare(PLAN, cells, options, held))
        if not isinstance(prepared, tuple):
            return prepared or 0
        plan, study, store = prepared
        return refuse_bad_input(lambda: go(options, space, plan, study, store, began))


def check_stage(options: SearchOptions) -> None:
    """Raises ValueError for a stage that the method hasn't on these modalities."""
    known = [stage.name for stage in stages_of(options.method, asked(options))]
    if options.modality not in known:
        raise ValueError(f"--modality {options.modality}: choose from {', '.join(known)}.")


def with_modalities(options: SearchOptions) -> SearchOptions:
    """A search of a modality that the corpus isn't run with by default reads it alone, unless others are asked for."""
    if options.modalities or options.modality not in modalities.MODALITIES or options.modality in asked(options):
        return options
    return replace(options, modalities=(options.modality,))


def with_protocol(options: SearchOptions) -> SearchOptions:
    """With the one it is run with where none was asked for."""
    first = next(iter(corpora.of(options.corpus).protocols))
    return replace(options, protocol=options.protocol or first + splits.VALIDATION)


def go(
    options: SearchOptions, space: dict[str, Any], plan: Plan, study: Study, store: Store, began: float
) -> int:  # fmt: skip
    if options.settings:
        # A setting that can't be is told before anything trains: each would only fail for itself.
        drawn = {name: values.sample() for name, values in space.items()}
        varied = replace(study, set={**study.set, **drawn})
        specs = [spec for look in looks(varied, judged_by(options)) for spec in with_parents(varied, look)]
        for spec in specs:
            refuse_unused(spec)
        if options.read == "shards":
            trunks.check_written(specs, study, store)
    code = run_plan(plan, study, store, options, began)
    if code:
        return code
    about = read_json(store.report(PLAN) / "results.json")
    about |= {"created": time.strftime("%Y-%m-%d %H:%M:%S")}
    keys: list[str] = []
    uri = address(options.tracking_uri, store.root).uri
    logging_mlflow = follow(uri, store, about, keys)
    with interruptible():
        try:
            tune(options, space, study, store, about, keys)
        except KeyboardInterrupt:
            console.print("stopping; the same command goes on from the looks that are done.")
            code = 130
            placement.give_back(options.room)
            connect.leave()
        folder = records_of(options, study, store)
        file, tried = conclude(folder, judged_by(options), study, store, about["protocol_text"])
        missing = logging_mlflow.end("KILLED" if code else "FINISHED", [file], {"settings": tried})
    if missing:
        tell_lacking(address(options.tracking_uri, store.root), store.root, missing)
    return code


def judged_by(options: SearchOptions) -> Looks:
    return Looks(options.modality, options.seeds, options.looks, options.method)


def tune(
    options: SearchOptions,
    space: dict[str, Any],
    study: Study,
    store: Store,
    about: dict[str, Any],
    keys: list[str],
) -> None:
    """Optuna proposes, ASHA ends a setting after a fold where others were better; `keys` collects the runs."""
    if connect.to_join(options.address) is None:
        share_processes()
    base = looks(study, judged_by(options))
    folder = records_of(options, study, store)
    folder.mkdir(parents=True, exist_ok=True)
    storage = optuna.storages.RDBStorage(sqlite(folder / "optuna.db"))
    left = options.settings - take_up(storage)
    if left <= 0:
        return
    proposals = OptunaSearch(
        metric="gain",
        mode="max",
        storage=storage,
        study_name=PLAN,
        # Seeded by how far it got: a start that goes on doesn't propose again what the first start did.
        sampler=optuna.samplers.TPESampler(seed=1000 * options.sampler_seed + left, n_startup_trials=8),
    )
    there = nodes.alive()
    at_once = max(1, placement.at_once(base[0], study.gpus, there, options.concurrency))
    trial = ray.tune.with_parameters(
        validate,
        study=study,
        judged_by=judged_by(options),
        root=store.root,
        start=store.start,
        records=folder,
        baseline=[store.run(spec.key).record("metrics")["top1"] for spec in base],
        about=results.tags(about),
        read=options.read,
    )
    ray.tune.Tuner(
        ray.tune.with_resources(trial, placement.trial_resources(at_once, there)),
        param_space={"setting": space},
        tune_config=ray.tune.TuneConfig(
            search_alg=ConcurrencyLimiter(proposals, at_once),
            scheduler=ASHAScheduler(
                time_attr="looks", metric="gain", mode="max", max_t=len(base), grace_period=1, reduction_factor=3
            ),
            num_samples=left,
        ),
        run_config=ray.tune.RunConfig(
            name=f"{PLAN}-{time.strftime('%Y%m%d-%H%M%S')}",
            storage_path=str(store.root / "tune"),
            verbose=0,
            callbacks=[Say(keys, len(base), study.protocol)],
        ),
    ).fit()


def records_of(options: SearchOptions, study: Study, store: Store) -> Path:
    """Of one search: named after all the runs that judge its start, so by other folds or seeds it is another."""
    keys = "".join(spec.key for spec in looks(study, judged_by(options)))
    return store.report(PLAN) / f"{options.modality}-{hashlib.sha256(keys.encode()).hexdigest()[:16]}"


def take_up(storage: optuna.storages.BaseStorage) -> int:
    """How many settings an earlier start ended; what was cut off is proposed again first."""
    study = optuna.create_study(storage=storage, study_name=PLAN, direction="maximize", load_if_exists=True)
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        study.enqueue_trial(trial.params)
    return len(study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED)))


class Say(ray.tune.Callback):
    """A line for each look that is done, in the driver."""

    def __init__(self, keys: list[str], looks: int, protocol: str):
        self.keys, self.looks, self.protocol = keys, looks, protocol

    def on_trial_result(self, iteration: int, trials: list, trial: Any, result: dict, **info: Any) -> None:
        self.keys.append(result["key"])
        words = f"setting {trials.index(trial) + 1}: {result['top1']:.2f} after {result['looks']} of {self.looks} looks"
        words += f", {result['gain']:+.2f} ({self.protocol})"
        console.print(f"[{time.strftime('%H:%M:%S')}] {words}", markup=False, highlight=False)

    def on_trial_error(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        console.print(f"setting {trials.index(trial) + 1} failed: {trial.config['setting']}", markup=False)

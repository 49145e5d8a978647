"""TRIAL of a search: one setting of a recipe, trained and tested on one validation fold after the other."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import ray.tune

from datasets.files.atomic import write_whole
from models.methods import DEFAULT
from orchestrator.cluster import placement
from orchestrator.plan.plan import Cell
from orchestrator.plan.spec import RunSpec
from orchestrator.plan.study import Outline, Study
from orchestrator.storage.recovery import recover_run
from orchestrator.storage.store import Store


@dataclass(frozen=True)
class Looks:
    """By which runs a setting of a stage is judged, with so many seeds, on the first `folds` or all."""

    stage: str
    seeds: int = 1
    folds: int | None = None
    method: str = DEFAULT


def looks(study: Study, judged_by: Looks) -> list[RunSpec]:
    """One run a seed and validation fold. `study` is of the whole protocol."""
    found = []
    for seed in range(judged_by.seeds):
        for fold in study.folds()[: judged_by.folds]:
            found.append(fold.runs[judged(fold, judged_by, seed).key])
    return found


def judged(study: Study | Outline, by: Looks, seed: int) -> Cell:
    """What a setting is judged by: the method on all modalities, or on the one whose stage 1 is searched."""
    alone = by.method == DEFAULT and by.stage in study.modalities
    return study.cell("modalities", by.stage if alone else study.modalities, seed, method=by.method)


def validate(
    config: Mapping[str, Any],
    study: Study,
    judged_by: Looks,
    root: Path,
    start: int,
    records: Path,
    baseline: list[float],
    about: dict[str, str],
    read: str = "shards",
) -> None:
    """Reports after each look the mean gain in top-1 over `baseline` on the same looks, in points.

    A difference of the same folds, so that a setting which was stopped early compares with one that wasn't. What was
    found stands in a file of its own in `records`; a look that was trained before is only read.
    """
    from orchestrator.trial.run import train_and_score  # here, not above: the driver does without torch

    store = Store(root, start)
    varied = replace(study, set={**study.set, **config["setting"]})
    record: dict[str, Any] = {"setting": dict(config["setting"]), "looks": []}
    file = records / f"{looks(varied, judged_by)[0].key}.json"
    for spec in looks(varied, judged_by):
        for part in with_parents(varied, spec):
            folder = store.run(part.key)
            recover_run(folder, part, print)
            if folder.status != "done":
                folder.begin(part, about)
                train_and_score(placement.config_of(part, varied, store, read))
            if folder.status != "done":
                record["failed"] = folder.record("failed").get("reason", "")
                write_whole(file, json.dumps(record, indent=1))
                raise RuntimeError(f"{part.name} ({part.key}): {record['failed']}")
        metrics = store.run(spec.key).record("metrics")
        look = {"key": spec.key, "protocol": spec.data.protocol, "seed": spec.seed}
        record["looks"].append(look | {name: metrics[name] for name in ("top1", "k", "n")})
        gains = [100 * (look["top1"] - base) for look, base in zip(record["looks"], baseline, strict=False)]
        record["gain"] = fmean(gains)
        write_whole(file, json.dumps(record, indent=1))
        ray.tune.report({"looks": len(gains), "gain": record["gain"], "top1": look_top1(record), "key": spec.key})


def with_parents(study: Study, spec: RunSpec) -> list[RunSpec]:
    """A run after all that it stands on."""
    before = [part for key in spec.parents.values() for part in with_parents(study, study.runs[key])]
    return [*{part.key: part for part in before}.values(), spec]


def look_top1(record: dict[str, Any]) -> float:
    """Mean over the looks of a record, per cent."""
    return 100 * fmean(look["top1"] for look in record["looks"])

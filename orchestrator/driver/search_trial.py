"""TRIAL of a search: one setting of a recipe, trained and tested on one validation fold after the other."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import ray.tune

from datasets.files.atomic import write_whole
from orchestrator.cluster import placement
from orchestrator.plan.plan import Cell
from orchestrator.plan.spec import RunSpec
from orchestrator.plan.study import Outline, Study
from orchestrator.storage.recovery import recover_run
from orchestrator.storage.store import Store


@dataclass(frozen=True)
class Looks:
    """By which runs a setting is judged: those of a stage, with so many seeds, on the first `folds` or all."""

    stage: str
    seeds: int = 1
    folds: int | None = None


def looks(study: Study, judged_by: Looks) -> list[RunSpec]:
    """One run a seed and validation fold. `study` is of the whole protocol."""
    found = []
    for seed in range(judged_by.seeds):
        for fold in study.folds()[: judged_by.folds]:
            found.append(fold.runs[judged(fold, judged_by.stage, seed).key])
    return found


def judged(study: Study | Outline, stage: str, seed: int) -> Cell:
    """What a setting of a stage is judged by: a modality alone, or all of them fused."""
    return study.cell("modalities", stage if stage in study.modalities else study.modalities, seed)


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
        folder = store.run(spec.key)
        recover_run(folder, spec, print)
        if folder.status != "done":
            folder.begin(spec, about)
            train_and_score(placement.config_of(spec, varied, store, read))
        if folder.status != "done":
            record["failed"] = folder.record("failed").get("reason", "")
            write_whole(file, json.dumps(record, indent=1))
            raise RuntimeError(f"{spec.name} ({spec.key}): {record['failed']}")
        metrics = folder.record("metrics")
        look = {"key": spec.key, "protocol": spec.data.protocol, "seed": spec.seed}
        record["looks"].append(look | {name: metrics[name] for name in ("top1", "k", "n")})
        gains = [100 * (look["top1"] - base) for look, base in zip(record["looks"], baseline, strict=False)]
        record["gain"] = fmean(gains)
        write_whole(file, json.dumps(record, indent=1))
        ray.tune.report({"looks": len(gains), "gain": record["gain"], "top1": look_top1(record), "key": spec.key})


def look_top1(record: dict[str, Any]) -> float:
    """Mean over the looks of a record, per cent."""
    return 100 * fmean(look["top1"] for look in record["looks"])

"""results.json: a plan's cells with what their runs gave, read from the run folders."""

import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from datasets import splits
from datasets.files.atomic import read_json
from orchestrator.plan import paper
from orchestrator.plan.plan import Cell, Plan
from orchestrator.plan.scale import SCALES
from orchestrator.plan.study import Study
from orchestrator.storage.store import Store

METRICS = ("top1", "top5", "f1", "k", "n", "views")
PARTS = tuple(
    f"{name}_{part}" for part in ("seen", "hidden", "without_imu", "without_video") for name in ("top1", "k", "n")
)


def collect(plan: Plan, study: Study, store: Store, skipped: dict[str, str], about: dict[str, Any]) -> dict[str, Any]:
    """The content of results.json; metrics are fractions of 1, unrounded. `about` adds seeds, command and date."""
    manifest = study.manifest
    runs = {key: _run(plan, key, store, skipped) for key in plan.runs}
    return {
        "plan": plan.name,
        "corpus": manifest.corpus,
        "video": manifest.video,
        "scale": study.scale,
        "scale_text": SCALES[study.scale].describe(study.recipe_used.times_epochs),
        "recipe": study.recipe_name,
        "protocol": study.protocol,
        "protocol_text": f"{splits.describe(manifest, study.protocol)}{_only(plan, study)}; {selection(study)}",
        **about,
        "classes": list(manifest.classes),
        "bad_clips": [asdict(bad) for bad in manifest.bad],
        "notes": list(manifest.notes),
        "sharing": _sharing(plan, runs),
        "cells": [_cell(cell, study, store, runs[cell.key]) for cell in plan.cells],
        "runs": runs,
    }


TEXTS = ("corpus", "scale", "created", "protocol_text", "scale_text", "recipe")


def read(file: Path, texts: Sequence[str] = TEXTS) -> dict[str, Any]:
    """results.json with these texts and its runs. Raises ValueError naming a file that lacks them."""
    found = read_json(file)
    lacking = [name for name in texts if not isinstance(found.get(name), str)]
    runs = found.get("runs")
    if not isinstance(runs, dict) or not all(_is_run(key, run) for key, run in runs.items()):
        lacking.append("runs")
    if "classes" in found and not isinstance(found["classes"], list):
        lacking.append("classes")
    if lacking:
        raise ValueError(
            f"{file}: is damaged, its {', '.join(lacking)} can't be read; the next start of the plan writes it anew."
        )
    return found


def _is_run(key: str, run: Any) -> bool:
    """A key is a folder's name, and leads nowhere else."""
    texts = isinstance(run, dict) and all(isinstance(run.get(name), str) for name in ("name", "status"))
    return texts and re.fullmatch(r"[\w-]{1,64}", key, re.ASCII) is not None


def _only(plan: Plan, study: Study) -> str:
    """Where a plan asks for some of a protocol's folds."""
    asked, folds = {cell.protocol for cell in plan.cells}, study.folds()
    return f", of which only {len(asked)} here" if len(asked) < len(folds) else ""


def selection(study: Study) -> str:
    """What had a say in the result besides the training clips."""
    tested = {s for fold in study.folds() for s in splits.subjects_tested(study.manifest, fold.protocol)}
    recipe, words = study.recipe_used, ["last epoch"]
    told = sorted(tested & set(recipe.chosen_on))
    if recipe.chosen_on and not told:
        by = ", ".join(map(str, recipe.chosen_on))
        words.append(f"recipe {study.recipe} was chosen by subjects {by}, none of them tested")
    if told:
        words.append(f"NOT CLEAN: recipe {study.recipe} was chosen by scores of subjects {', '.join(map(str, told))}")
    if study.set:
        words.append("changed by --set: whether by a look at test scores, only who set it knows")
    return "; ".join(words) if len(words) > 1 else "last epoch, no selection"


def _run(plan: Plan, key: str, store: Store, skipped: dict[str, str]) -> dict[str, Any]:
    spec, folder = plan.runs[key], store.run(key)
    status = folder.status
    reason = folder.record("failed").get("reason") if status == "failed" else None
    if status == "pending" and key in skipped:
        status, reason = "skipped", skipped[key]
    return {
        "kind": spec.kind,
        "name": spec.name,
        "parents": dict(spec.parents),
        "seconds": folder.record("done").get("seconds"),
        "times": folder.record("times") if status == "done" else {},
        "status": status,
        "reason": reason,
        "retried": folder.attempts(),
    }


def _cell(cell: Cell, study: Study, store: Store, run: dict[str, Any]) -> dict[str, Any]:
    metrics = store.run(cell.key).record("metrics") if run["status"] == "done" else {}
    printed, corpus = None, study.manifest.layout
    if cell.experiment == "modalities" and paper.comparable(corpus, study.manifest.video, study.protocol):
        printed = paper.printed(corpus, cell.model)
    return {
        "experiment": cell.experiment,
        "model": cell.model,
        "ratio": cell.ratio,
        "hidden": {"imu": list(cell.hidden_imu), "video": list(cell.hidden_video)},
        "seed": cell.seed,
        "protocol": cell.protocol,
        "variant": cell.variant,
        "key": cell.key,
        "status": run["status"],
        "reason": run["reason"],
        **{name: metrics.get(name) for name in (*METRICS, *PARTS)},
        "paper": printed,
    }


def _sharing(plan: Plan, runs: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What sharing saved: trainings and seconds of a script for each distinct result, against the runs here."""
    seconds = {key: run["seconds"] or 0.0 for key, run in runs.items()}
    results = {cell.key for cell in plan.cells}
    return {
        "cells": len(plan.cells),
        "runs": len(plan.runs),
        "stages_without": plan.stages_without_sharing(),
        "seconds": round(sum(seconds.values()), 1),
        "seconds_without": round(sum(seconds[k] + sum(seconds[p] for p in plan.parents(k)) for k in results), 1),
    }

"""results.json: a plan's cells with what their runs gave, read from the run folders."""

import re
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from datasets import modalities, splits
from datasets.files.atomic import read_json
from models.methods import DEFAULT
from orchestrator.plan import paper
from orchestrator.plan.plan import Cell, Plan
from orchestrator.plan.study import Study, own_recipe
from orchestrator.report import comparisons, methods
from orchestrator.storage.metrics import lacking
from orchestrator.storage.store import Store

METRICS = ("top1", "top5", "f1", "k", "n", "views")


def parts(modalities: Sequence[str]) -> list[str]:
    """Of the test clips: those of seen and of hidden classes, and all of them without some of the modalities."""
    return [f"{name}_{part}" for part in ("seen", "hidden", *lacking(modalities)) for name in ("top1", "k", "n")]


def collect(plan: Plan, study: Study, store: Store, skipped: dict[str, str], about: dict[str, Any]) -> dict[str, Any]:
    """The content of results.json; metrics are fractions of 1, unrounded. `about` adds seeds, command and date."""
    manifest = study.manifest
    runs = {key: _run(plan, key, store, skipped) for key in plan.runs}
    found = {
        "plan": plan.name,
        "corpus": manifest.corpus,
        "modalities": {m: modalities.of(m).named(manifest.shows.get(m)) for m in read_of(study)},
        "also": list(study.also),
        "video": manifest.shows.get("video"),
        "scale": study.scale,
        "scale_text": plan.describe(),
        "recipe": study.recipe_name,
        "protocol": study.protocol,
        "protocol_text": f"{splits.describe(manifest, study.protocol)}{_only(plan, study)}; {selection(study, plan)}",
        **about,
        "classes": list(manifest.classes),
        "bad_clips": [asdict(bad) for bad in manifest.bad],
        "notes": list(manifest.notes),
        "sharing": _sharing(plan, runs),
        "cells": [_cell(cell, plan, study, store, runs[cell.key]) for cell in plan.cells],
        "runs": runs,
    }
    right = cache(lambda key: store.run(key).right())
    return found | {"subsets": comparisons.compared(found, right), "methods": methods.compared(found, right)}


def read_of(study: Study) -> tuple[str, ...]:
    """All modalities that its cells may read, in the order in which a network has them."""
    return tuple(sorted({*study.modalities, *study.also}))


TEXTS = ("corpus", "scale", "created", "protocol_text", "scale_text", "recipe")


def read(file: Path, texts: Sequence[str] = TEXTS) -> dict[str, Any]:
    """results.json with these texts, its modalities and its runs. Raises ValueError naming a file that lacks them."""
    found = read_json(file)
    lacking = [name for name in texts if not isinstance(found.get(name), str)]
    runs = found.get("runs")
    if not isinstance(runs, dict) or not all(_is_run(key, run) for key, run in runs.items()):
        lacking.append("runs")
    if not isinstance(found.get("modalities"), dict):
        lacking.append("modalities")
    if "classes" in found and not isinstance(found["classes"], list):
        lacking.append("classes")
    if lacking:
        raise ValueError(
            f"{file}: is damaged, its {', '.join(lacking)} can't be read; the next start of the plan writes it anew."
        )
    return found


def tags(about: dict[str, Any]) -> dict[str, str]:
    """What all runs of a start share, as their folders and MLflow's tags say it. `about` is as in results.json."""
    # With who trained and what isn't clean, and what is seen.
    read = {modality for cell in about.get("cells", ()) for modality in cell["modalities"]} or {*about["modalities"]}
    shown = about.get("shows") or " + ".join(name for modality, name in about["modalities"].items() if modality in read)
    names = ("plan", "corpus", "scale", "recipe", "protocol", "protocol_text")
    return {name: about[name] for name in names} | {"shows": shown}


def _is_run(key: str, run: Any) -> bool:
    """A key is a folder's name, and leads nowhere else."""
    texts = isinstance(run, dict) and all(isinstance(run.get(name), str) for name in ("name", "status"))
    return texts and re.fullmatch(r"[\w-]{1,64}", key, re.ASCII) is not None


def _only(plan: Plan, study: Study) -> str:
    """Where a plan asks for some of a protocol's folds."""
    asked, folds = {cell.protocol for cell in plan.cells}, study.folds()
    return f", of which only {len(asked)} here" if len(asked) < len(folds) else ""


def selection(study: Study, plan: Plan | None = None) -> str:
    """What had a say in the result besides the training clips: of a plan, the recipes that train its methods."""
    tested = {s for fold in study.folds() for s in splits.subjects_tested(study.manifest, fold.protocol)}
    words = ["last epoch"]
    used = dict.fromkeys(own_recipe(cell.method) for cell in plan.cells) if plan and plan.cells else [""]
    for name, recipe in {own or study.recipe: study.recipe_by(own) for own in used}.items():
        told = sorted(tested & set(recipe.chosen_on))
        if recipe.chosen_on and not told:
            by = ", ".join(map(str, recipe.chosen_on))
            words.append(f"recipe {name} was chosen by subjects {by}, none of them tested")
        if told:
            words.append(f"NOT CLEAN: recipe {name} was chosen by scores of subjects {', '.join(map(str, told))}")
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
        "kind": spec.stage,
        "modalities": list(spec.modalities),
        "scored": spec.classifies,
        "name": spec.name,
        "parents": dict(spec.parents),
        "seconds": folder.record("done").get("seconds"),
        "threads": spec.threads * spec.workers,
        "parameters": folder.record("network").get("parameters") if status == "done" else None,
        "times": folder.record("times") if status == "done" else {},
        "device": folder.record("device") if status == "done" else {},
        "status": status,
        "reason": reason,
        "retried": folder.attempts(),
    }


def _cell(cell: Cell, plan: Plan, study: Study, store: Store, run: dict[str, Any]) -> dict[str, Any]:
    metrics = store.run(cell.key).record("metrics") if run["status"] == "done" else {}
    printed, corpus = None, study.manifest.layout
    like_it = paper.comparable(corpus, study.manifest.shows, study.protocol, study.modalities)
    if cell.experiment == "modalities" and like_it:
        printed = paper.printed(corpus, "+".join(cell.modalities))
    return {
        "experiment": cell.experiment,
        "model": cell.model,
        "ratio": cell.ratio,
        "hidden": {modality: list(cell.hidden.get(modality, ())) for modality in read_of(study)},
        "seed": cell.seed,
        "protocol": cell.protocol,
        "method": cell.method,
        "modalities": list(cell.modalities),
        "variant": "" if cell.method == DEFAULT else cell.method,
        "key": cell.key,
        "scale_text": plan.describe(cell.key),
        "status": run["status"],
        "reason": run["reason"],
        **{name: metrics.get(name) for name in (*METRICS, *parts(read_of(study)))},
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
        "seconds_without": round(sum(seconds[k] for key in results for k in plan.behind(key)), 1),
    }

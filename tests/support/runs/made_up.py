"""Made-up results of a whole grid, three classes and twelve clips, and what a reader sees of their report."""

import io
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console

from datasets.modalities import of
from orchestrator.report import comparisons, html, methods, tables
from orchestrator.storage.run_folder import RunFolder
from orchestrator.storage.timings import PARTS

CLASSES = ["wave", "clap", "squat"]
LABELS = [0, 1, 2] * 4
PLOTS = {"calibration", "figure2", "figure3", "curves", "confusion_imu", "confusion_video", "confusion_imu+video"}
PAPERS = ("imu", "video")
LABELLED = {"imu": "IMU", "video": "Video"}  # others are labelled by their names


def named(modalities: Sequence[str], video: str | None) -> dict[str, str]:
    """As results.json labels them: a video by what it shows."""
    found = {m: LABELLED.get(m, m.capitalize()) for m in modalities}
    return found | ({"video": of("video").named(video)} if "video" in found else {})


def make(
    runs: Path, video: str | None = "depth", corpus: str = "UTD-MHAD (depth video)", seeds: int = 1,
    modalities: Sequence[str] = PAPERS,
) -> dict[str, Any]:  # fmt: skip
    """A whole grid; the run of seed s gets 9 + s of 12 clips right, one less with a quarter of the data."""
    results: dict[str, Any] = {
        "plan": "full_grid",
        "corpus": corpus,
        "modalities": named(modalities, video),
        "video": video,
        "scale": "demo",
        "scale_text": "8 frames of 32x32",
        "recipe": "paper",
        "protocol": "cross-subject" if corpus == "MMAct" else "odd-even",
        "protocol_text": "cross-subject: subjects 1, 3 train, 2, 4 test",
        "seeds": seeds,
        "command": "full_grid.py --scale demo",
        "created": "2026-11-22T20:00:00Z",
        "classes": list(CLASSES),
        "bad_clips": [],
        "sharing": {"stages_without": 44, "runs": 24, "cells": 27, "seconds": 5000.0, "seconds_without": 9000.0},
        "cells": [],
        "runs": {},
    }
    nothing: dict[str, list[int]] = {modality: [] for modality in modalities}
    models = [*modalities, *["fusion"] * (len(modalities) > 1)]
    for seed in range(seeds):
        for model in models:
            add_cell(results, runs, "modalities", model, 1.0, nothing, seed, 9 + seed)
            add_cell(results, runs, "ratio", model, 1.0, nothing, seed, 9 + seed)
            add_cell(results, runs, "ratio", model, 0.25, nothing, seed, 8 + seed)
        for model, star in [(m, m) for m in modalities] + [
            (m, s) for m in models[len(modalities) :] for s in modalities
        ]:
            for hidden in ([2], [0, 2]):
                add_cell(results, runs, "zero_shot", model, 1.0, {**nothing, star: hidden}, seed, 7 + seed)
    return results


def add_cell(
    results: dict, runs: Path, experiment: str, model: str, ratio: float, hidden: dict, seed: int, right: int
) -> None:
    parts = [model, str(ratio), *(str(len(classes)) for classes in hidden.values()), str(seed)]
    key = "-".join([*parts, *(hidden if experiment == "subsets" else [])]).replace(".", "")
    cell = {"experiment": experiment, "model": model, "ratio": ratio, "hidden": hidden, "seed": seed, "key": key}
    read = [model] if model in hidden else list(hidden)
    cell |= {"method": "two-stage", "variant": "", "modalities": read, "protocol": results["protocol"]}
    cell |= {"status": "done", "reason": None, "top1": right / 12, "top5": 1.0, "f1": 0.5, "k": right, "n": 12}
    if experiment == "zero_shot":
        cell |= {"top1_seen": right / 8, "k_seen": right, "n_seen": 8, "top1_hidden": 0.0, "k_hidden": 0, "n_hidden": 4}
    results["cells"].append({**cell, "paper": None})
    run = {"kind": model, "modalities": read, "scored": True, "parents": {}, "seconds": 12.0, "status": "done"}
    results["runs"][key] = run | {"name": f"{model} {ratio} {seed}"}
    folder = runs / key
    if folder.exists():
        return
    folder.mkdir(parents=True)
    clips = {
        "clip": [f"a{label + 1}_s2_t{i}" for i, label in enumerate(LABELS)],
        "subject": [2] * 6 + [4] * 6,
        "label": LABELS,
    }
    clips["predicted"] = LABELS[:right] + [(label + 1) % 3 for label in LABELS[right:]]
    clips["probabilities"] = [[0.7 if at == said else 0.15 for at in range(3)] for said in clips["predicted"]]
    pq.write_table(pa.table(clips), folder / "predictions.parquet")
    epochs = [json.dumps({"epoch": epoch, "loss": 1 / epoch, "train_top1": 0.5, "seconds": 1.0}) for epoch in (1, 2)]
    (folder / "history.jsonl").write_text("\n".join(epochs) + '\n{"epoch": 3, "lo')


def fail(results: dict, index: int, status: str, reason: str) -> str:
    """Take the scores of one cell away and return its run's key."""
    cell = results["cells"][index]
    results["cells"][index] = {
        **{name: cell[name] for name in ("experiment", "model", "modalities", "ratio", "hidden", "seed", "key")},
        **{"status": status, "reason": reason, "paper": None},
    }
    return cell["key"]


def ablate(results: dict, runs: Path) -> None:
    """The fusion in one stage and in two, with what is left of each where a modality is missing."""
    lost = {
        f"{name}_without_{m}": value for m in ("imu", "video") for name, value in (("top1", 0.25), ("k", 3), ("n", 12))
    }
    for variant, right in (("one-stage", 6), ("", 9)):
        add_cell(results, runs, "stages", "fusion", 1.0, {"imu": [], "video": []}, 7 + right, right)
        results["cells"][-1] |= {"variant": variant, "method": variant or "two-stage", "seed": 0} | lost


def pretrain(results: dict, runs: Path) -> str:
    """A run without a classifier that all fusions start from: a curve, no predictions, and no cell; its key."""
    read, key = list(results["modalities"]), "pretraining-0"
    run = {"kind": "pretraining", "modalities": read, "scored": False, "parents": {}, "seconds": 12.0, "status": "done"}
    results["runs"][key] = run | {"name": f"pretraining {'+'.join(read)} seed=0"}
    for name, other in results["runs"].items():
        if name.startswith("fusion"):
            other["parents"] = {"pretraining": key}
    (runs / key).mkdir(parents=True)
    (runs / key / "history.jsonl").write_text('{"epoch": 1, "loss": 1.5, "seconds": 1.0}\n')
    return key


def make_subsets(runs: Path, right: Mapping[str, int], seeds: int = 1) -> dict[str, Any]:
    """A plan of subsets; the run of seed s gets so many of 12 clips right, as "imu+video" says, and s fewer."""
    results = make(runs, modalities=[model for model in right if "+" not in model])
    results |= {"plan": "modality_subsets", "cells": [], "runs": {}, "seeds": seeds}
    for seed in range(seeds):
        for model, count in right.items():
            read: dict[str, list[int]] = {modality: [] for modality in model.split("+")}
            add_cell(results, runs, "subsets", "fusion" if len(read) > 1 else model, 1.0, read, seed, count - seed)
    lack(results)
    return results | {"subsets": comparisons.compared(results, lambda key: RunFolder(runs / key).right())}


def make_methods(runs: Path, right: Mapping[tuple[str, str], int]) -> dict[str, Any]:
    """A plan of methods; the run of a method on "imu+video" gets so many of 12 clips right."""
    names = sorted({modality for _, model in right for modality in model.split("+")})
    results = make(runs, modalities=names)
    results |= {"plan": "table2", "cells": [], "runs": {}, "seeds": 1}
    for number, ((method, model), count) in enumerate(right.items()):
        read: dict[str, list[int]] = {modality: [] for modality in model.split("+")}
        stage = "fusion" if len(read) > 1 else model
        add_cell(results, runs / method, "methods", stage, 1.0, read, number, count)
        cell, variant = results["cells"][-1], "" if method == "two-stage" else method
        key = f"{method}-{cell['key']}"
        (runs / method / cell["key"]).rename(runs / key)
        timed = {"threads": 2, "parameters": 1500000, "times": dict.fromkeys(PARTS, 1.0) | {"evaluation": 3.0}}
        results["runs"][key] = results["runs"].pop(cell["key"]) | timed
        if stage == "fusion":
            results["runs"][f"stage-1-{key}"] = results["runs"][key]
            results["runs"][key] = results["runs"][key] | {"parents": {"imu": f"stage-1-{key}"}}
        cell |= {"method": method, "variant": variant, "seed": 0, "key": key}
    return results | {"methods": methods.compared(results, lambda key: RunFolder(runs / key).right())}


def lack(results: dict) -> None:
    """Give each fusion what is left of it without some of its modalities: the more they are, the less."""
    for cell in results["cells"]:
        if cell["experiment"] in ("modalities", "subsets") and cell["model"] == "fusion":
            for count in range(1, len(cell["modalities"])):
                for of in combinations(cell["modalities"], count):
                    k = cell["k"] - 2 * count
                    cell |= {f"{name}_without_{'_'.join(of)}": v for name, v in (("top1", k / 12), ("k", k), ("n", 12))}


def in_folds(results: dict, runs: Path) -> dict:
    """The same as leave-one-subject-out: subject 2's clips tested by the runs that are there, subject 4's by others."""
    cells = results["cells"]
    for cell in cells:
        cell["protocol"] = "leave-one-subject-out/2"
    for cell in list(cells):
        key = f"{cell['key']}-4"
        cells.append({**cell, "protocol": "leave-one-subject-out/4", "key": key})
        results["runs"][key] = results["runs"][cell["key"]] | {"name": f"{cell['key']} tested=4"}
        shutil.copytree(runs / cell["key"], runs / key, dirs_exist_ok=True)
    for key in results["runs"]:
        file = runs / key / "predictions.parquet"
        table = pq.read_table(file)
        rows = [
            i for i, subject in enumerate(table["subject"].to_pylist()) if subject == (4 if key[-2:] == "-4" else 2)
        ]
        pq.write_table(table.take(rows), file)
    return results


def write(results: dict, folder: Path) -> str:
    path = html.write(results, folder / "runs", folder / "report")
    assert path == folder / "report" / "report.html"
    return path.read_text(encoding="utf-8")


def text_of(page: str) -> str:
    """What a reader sees: no images, no tags, single spaces."""
    body = re.sub(r"<style>.*?</style>|<[^>]*>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", body)


def terminal(results: dict) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    for table in tables.tables(results):
        console.print(table)
    return console.export_text()

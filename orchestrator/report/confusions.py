"""Where each model errs: its test clips by subject and by class, and what they were taken for. Over all seeds."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike

from orchestrator.report import labels, scores
from orchestrator.report.labels import Results
from orchestrator.storage.run_folder import RunFolder

Clips = dict[str, list[Any]]  # columns of predictions.parquet: subject, label, predicted, and the run's key
Predictions = dict[str, list[Clips]]  # of each model, one a seed


@dataclass(frozen=True)
class Row:
    """A model's test clips that were right, of all, by subject or class; `keys` are the runs that named them.

    `runs` are those of each subject or class: of a protocol that tests one subject after the other, the subject's.
    """

    label: str
    keys: list[str]
    right: Counter[int]
    total: Counter[int]
    runs: dict[int, list[str]]


def predictions(results: Results, runs: Path, model: str) -> list[Clips]:
    return [pa.concat_tables(_clips(runs / key) for key in keys).to_pydict() for keys in runs_of(results, runs, model)]


def _clips(run: Path) -> pa.Table:
    table = RunFolder(run).predictions(["subject", "label", "predicted"])
    return table.append_column("key", pa.array([run.name] * len(table), pa.string()))


def runs_of(results: Results, runs: Path, model: str) -> list[list[str]]:
    """The runs of each seed that is done and has left its predictions; others may be half written."""
    done = [cell["keys"] for cell in scores.modality(results, model) if cell["status"] == "done"]
    return [keys for keys in done if all((runs / key / "predictions.parquet").exists() for key in keys)]


def confusion(results: Results, seeds: list[Clips]) -> np.ndarray:
    none = np.zeros((len(results["classes"]),) * 2, dtype=int)
    return sum((counted(run["label"], run["predicted"], len(results["classes"])) for run in seeds), none)


def counted(label: ArrayLike, predicted: ArrayLike, classes: int) -> np.ndarray:
    """Test clips (N,) of each class and of what they were named: (K, K), class by name."""
    count_KK = np.zeros((classes, classes), dtype=int)
    np.add.at(count_KK, (np.asarray(label), np.asarray(predicted)), 1)
    return count_KK


def rows(results: Results, runs: Path, found: Predictions, by: str) -> list[Row]:
    """`by` is "subject" or "label"; a row for each model that left predictions."""
    out = []
    for model, seeds in found.items():
        right, total, behind = Counter(), Counter(), {}
        for run in seeds:
            total.update(run[by])
            for at, key in dict.fromkeys(zip(run[by], run["key"], strict=True)):
                behind.setdefault(at, []).append(key)
            right.update(at for at, y, p in zip(run[by], run["label"], run["predicted"], strict=True) if y == p)
        if total:
            keys = [key for seed in runs_of(results, runs, model) for key in seed]
            out.append(Row(labels.model_label(results, model), keys, right, total, behind))
    return out


def taken_for(results: Results, seeds: list[Clips]) -> list[tuple[str, int] | None]:
    """What each class's clips were wrongly named most often, and how many; None where all were right."""
    wrong_KK = confusion(results, seeds)
    np.fill_diagonal(wrong_KK, 0)
    most = [(int(row.argmax()), int(row.max())) for row in wrong_KK]
    return [(results["classes"][at], count) if count else None for at, count in most]

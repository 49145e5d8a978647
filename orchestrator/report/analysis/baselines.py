"""What is reached without training a network: the most frequent class, and the nearest training clip.

A clip is what the network sees of it, brought to one length and, of frames, to a few pixels; each channel is
standardised over the training clips. The nearest training clip by the Euclidean distance gives its class. Of several
modalities the values stand side by side, each modality with the same weight. Nothing is chosen: it is one neighbour, by
the same protocol as the rows that are trained.

N clips, F values of a clip, L its length, P moments or pixels, H, W pixels, C channels.
"""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from datasets.files.atomic import read_json, write_whole
from orchestrator.plan.spec import RunSpec
from orchestrator.report import labels
from orchestrator.report.labels import Results
from orchestrator.report.scores import modality, over_folds, score
from orchestrator.storage.metrics import score as scored
from orchestrator.storage.store import Store

if TYPE_CHECKING:
    from torch import Tensor

    from datasets.manifest import Manifest

FILE = "baselines.json"
STEPS = 64  # of a signal
FRAMES = (8, 16, 16)  # L, H, W
MOST_BYTES = 2 << 30  # of shards on disk: decoding more would take minutes
Read = dict[tuple[Path, Any], np.ndarray]  # values by the folder of their shards and how they are seen
MAJORITY, NEAREST = "Most frequent class", "Nearest training clip"


def rows(results: Results, store: Store, folder: Path) -> tuple[list[dict[str, Any]], str]:
    """Rows as those of Table 2, the most frequent class first, and why some are missing.

    What was computed is kept in `folder`, and used again for as long as it is of the same runs' clips.
    """
    asked = {model: cells[0]["keys"] for model in labels.models(results) if (cells := modality(results, model))}
    kept, compute = _kept(folder / FILE), partial(_computed, store, {})
    found, why = {}, ""
    for model, keys in asked.items():
        try:
            found[model] = kept[model] if kept.get(model, {}).get("of") == keys else compute(keys)
        except (OSError, ValueError) as error:  # a report is none the worse without them
            why = why or str(error)
    if found and found != kept:
        write_whole(folder / FILE, json.dumps(found, indent=1))
    lines = [(labels.model_label(results, model), NEAREST, each["nearest"]) for model, each in found.items()]
    lines = [("", MAJORITY, next(iter(found.values()))["majority"]), *lines] if found else []
    return [_row(*line) for line in lines], why


def _kept(file: Path) -> dict[str, Any]:
    try:
        return read_json(file) if file.exists() else {}
    except ValueError:
        return {}  # computed again


def _row(label: str, method: str, folds: list[dict[str, Any]]) -> dict[str, Any]:
    cells = [over_folds([{"seed": 0, "status": "done", "key": "", "protocol": "", **fold} for fold in folds])]
    entries = {metric: score(cells, metric) for metric in ("top1", "f1")}
    return {"label": label, "method": method, "cells": cells, **entries}


def _computed(store: Store, read: Read, keys: Sequence[str]) -> dict[str, Any]:
    """Of one model, a fold after the other."""
    made: dict[str, Any] = {"of": list(keys), "majority": [], "nearest": []}
    for key in keys:
        if not (store.run(key).path / "spec.json").exists():
            raise ValueError(f"run {key} has not begun")
        for name, metrics in _of_fold(store, read, store.run(key).spec).items():
            made[name].append(metrics)
    return made


def _of_fold(store: Store, read: Read, spec: RunSpec) -> dict[str, dict[str, Any]]:
    from sklearn.neighbors import KNeighborsClassifier  # half a second

    from datasets import splits
    from datasets.manifest import Manifest
    from orchestrator.plan.rows import rows_of

    if not (file := store.manifest(spec.data.recordings)).exists():
        raise ValueError(f"{file}: missing")
    manifest = Manifest.read(file)
    label_N, (train, test) = splits.labels(manifest), rows_of(spec, manifest)
    value_NF = np.concatenate([_standardised(values_of(store, read, manifest, spec, m), train)
                               for m in spec.modalities], axis=1)  # fmt: skip
    nearest = KNeighborsClassifier(n_neighbors=1, algorithm="brute").fit(value_NF[train], label_N[train])
    named = {"nearest": nearest.predict(value_NF[test])}
    named["majority"] = np.full(len(test), np.bincount(label_N[train]).argmax())
    views = len(test) / len(np.unique(splits.instances(manifest)[test]))
    classes = np.eye(len(manifest.classes))
    return {
        name: {k: v for k, v in scored(label_N[test], classes[of]).items() if k != "top5"} | {"views": views}
        for name, of in named.items()
    }


def _standardised(value_NPC: np.ndarray, train: np.ndarray) -> np.ndarray:
    """(N, F), of a mean square of 1 a clip; a value that is missing is at its channel's mean."""
    from sklearn.preprocessing import StandardScaler

    lines = value_NPC.reshape(-1, value_NPC.shape[2])
    scaler = StandardScaler().fit(value_NPC[train].reshape(-1, value_NPC.shape[2]))
    flat = np.nan_to_num(scaler.transform(lines), nan=0.0).reshape(len(value_NPC), -1)
    return flat / flat.shape[1] ** 0.5


def values_of(store: Store, read: Read, manifest: "Manifest", spec: RunSpec, name: str) -> np.ndarray:
    """(N, P, C) float32 of all clips of a Manifest, from a modality's shards; NaN for a clip that lacks it.

    `read` holds what was read before. Raises ValueError where there are no shards, or too many to read.
    """
    from datasets import modalities, shards, stream

    how, given = modalities.of(name), spec.data.inputs[name]
    folder = shards.folder_of(store.root, manifest, name, given)
    if (folder, given) in read:
        return read[folder, given]
    if not (folder / "index.json").exists():
        raise ValueError(f"the storage has no shards of {name}")
    source = shards.Shards.read(folder)
    if (size := sum((folder / file).stat().st_size for file in source.files)) > MOST_BYTES:
        raise ValueError(f"shards of {name} are {size / 2**30:.1f} GiB, more than the {MOST_BYTES >> 30} that are read")
    clips: list[np.ndarray] = []
    for _, held in source.holding(range(manifest.clips.num_rows)):
        batch = stream.tensors(source.table(held), {name: how.shape(given)})
        x, length_N = how.see(batch[name], batch[f"{name}_length"], given, None)
        x = how.arrive(x, length_N, given)
        clips += [_short(clip, int(length)) for clip, length in zip(x, length_N, strict=True)]
    read[folder, given] = np.stack(clips)
    return read[folder, given]


def _short(clip: "Tensor", length: int) -> np.ndarray:
    """(P, C) of a padded clip (L, ..., C), frames (L, H, W, C) or a signal."""
    from torch.nn import functional

    seen = clip[: max(1, length)].float()
    if seen.dim() == 4:
        values = functional.adaptive_avg_pool3d(seen.permute(3, 0, 1, 2), FRAMES).flatten(1).T
    else:
        lines = seen.flatten(1).T[None]  # (1, values of a moment, L)
        moments = functional.interpolate(lines, STEPS, mode="linear", align_corners=True)[0].T
        values = moments.reshape(-1, seen.shape[-1])
    return values.numpy() if length else np.full(values.shape, np.nan, np.float32)

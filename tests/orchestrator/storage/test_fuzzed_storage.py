"""Broken files of a storage: mutations of whole ones are read, or refused with a message that names the file.

tests/support/fuzzing.py says how many are tried.
"""

import io
import json
import pickle
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from datasets import sharding, shards
from datasets.decoding import Recordings
from datasets.files.atomic import read_json
from datasets.manifest import Manifest
from datasets.modalities import imu, video
from experiments import status
from orchestrator.report import results
from orchestrator.storage import pretrained
from orchestrator.storage.run_folder import RunFolder
from tests.support.recordings import fuzzing
from tests.support.recordings.fuzzing import tried
from tests.support.recordings.mutation import Edit, edits, mutated
from tests.support.runs import specs

SPEC = specs.run("imu")


@pytest.fixture(scope="module", autouse=True)
def counted() -> Iterator[None]:
    with fuzzing.counted():
        yield


@pytest.fixture(scope="module")
def stored(manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """One whole file of each kind."""
    import torch

    folder = tmp_path_factory.mktemp("stored")
    manifest.write(folder / "manifest.parquet")
    inputs, made = {"video": video.Input(2, 8, 2, 8), "imu": imu.Input(manifest.longest("imu"), 6)}, {}
    for name, given in inputs.items():
        recordings = Recordings.of(manifest, name, given)
        start, stop = recordings.bounds()[:2]
        (folder / name).mkdir()
        made[name] = sharding._write_shard(
            {"file": shards.part_name(0), "start": start, "stop": stop}, recordings, folder / name
        )
    run = RunFolder(folder)
    run.begin(SPEC)
    run.write_predictions(pa.table({"label": [0, 1], "predicted": [0, 0], "probabilities": [[0.9, 0.1], [0.6, 0.4]]}))
    for epoch in (1, 2, 3):
        run.append_history({"epoch": epoch, "loss": 1.0})
    run.save("model", {"model": {"weight": torch.randn(20), "steps": torch.tensor(3)}})
    index = {"version": 1, "manifest": manifest.digest, "modality": "imu", "files": [made["imu"]], "notes": ["slow"]}
    index |= {"input": recordings.how.stored(given)}
    return {
        "manifest": (folder / "manifest.parquet").read_bytes(),
        "video shard": (folder / "video" / made["video"]["file"]).read_bytes(),
        "imu shard": (folder / "imu" / made["imu"]["file"]).read_bytes(),
        "predictions": (folder / "predictions.parquet").read_bytes(),
        "spec": (folder / "spec.json").read_bytes(),
        "history": (folder / "history.jsonl").read_bytes(),
        "index": json.dumps(index).encode(),
        "weights": (folder / "model.pt").read_bytes(),
        "results": json.dumps(RESULTS).encode(),
        "progress": json.dumps(PROGRESS).encode(),
        "published": pickle.dumps({"i3d": {"w": np.ones((3, 4), np.float32), "b": [np.zeros(4)]}}),
        "pretrained": (folder / "model.pt").read_bytes(),
    }


def rows_of(modality: str, file: Path) -> pa.Table:
    return shards.Shards(file.parent, modality, {}, (file.name,), (2,)).table([0, 1])


ABOUT = dict.fromkeys(("plan", "video", "recipe", "protocol", "corpus", "scale", "created"), "p")
TEXTS = {"protocol_text": "p", "scale_text": "s"}
RESULTS = (
    ABOUT
    | TEXTS
    | {"modalities": {"imu": "IMU"}, "classes": ["a"]}
    | {"runs": {SPEC.key: {"name": "imu", "kind": "imu", "scored": True, "status": "done"}}, "cells": []}
)
PROGRESS = {"ended": False, "host": "lab", "process": 7, "running": [SPEC.key], "skipped": {}, "seconds_left": 9.5}


def shown(file: Path) -> bool:
    """By `status`, beside a whole file of the other kind; results also by `track`."""
    for name, content in (("results.json", RESULTS), ("progress.json", PROGRESS)):
        if name != file.name:
            file.with_name(name).write_text(json.dumps(content))
    if file.name == "results.json":
        results.read(file, tuple(ABOUT))
    with redirect_stdout(io.StringIO()):
        return status.status(status.Which(file.parents[2], "p")) == 0


READS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "manifest": ("manifest.parquet", Manifest.read),
    "video shard": ("part-00000.parquet", partial(rows_of, "video")),
    "imu shard": ("part-00000.parquet", partial(rows_of, "imu")),
    "predictions": ("predictions.parquet", lambda file: RunFolder(file.parent).predictions()),
    "spec": ("spec.json", lambda file: RunFolder(file.parent).spec),
    "history": ("history.jsonl", lambda file: RunFolder(file.parent).history()),
    "index": ("index.json", lambda file: shards.Shards.read(file.parent)),
    "weights": ("model.pt", lambda file: RunFolder(file.parent).load("model")),
    "results": ("reports/p/results.json", shown),
    "progress": ("reports/p/progress.json", shown),
    "json": ("done.json", read_json),
    "published": ("i3d.ckpt", pretrained.read),
    "pretrained": ("s3d.pt", pretrained.read),
}


def placed(folder: Path, name: str) -> Path:
    """Where a file of a kind is; beside it lies what stays there."""
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.parent != folder:
        for other in ("results.json", "progress.json"):
            file.with_name(other).touch()
    return file


@pytest.mark.parametrize("kind", [kind for kind in READS if kind != "json"])
def test_stored_files(kind: str, stored: dict[str, bytes], tmp_path: Path) -> None:
    name, read = READS[kind]
    file = placed(tmp_path, name)

    def each(changes: list[Edit]) -> None:
        file.write_bytes(mutated(stored[kind], changes))
        tried(kind, file, lambda: read(file))

    fuzzing.fuzz({"changes": edits}, each)


@pytest.mark.parametrize("kind", ["index", "spec", "history", "json", "results", "progress"])
def test_any_json(kind: str, tmp_path: Path) -> None:
    name, read = READS[kind]
    fuzzing.any_json(kind, placed(tmp_path, name), read)


def test_a_whole_file_is_read(stored: dict[str, bytes], tmp_path: Path) -> None:
    """Of each kind, or all of the above would prove nothing."""
    for kind, content in stored.items():
        name, read = READS[kind]
        file = placed(tmp_path, name)
        file.write_bytes(content)
        assert read(file) is not None
        file.unlink()

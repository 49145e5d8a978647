"""TRIAL: one run is one TorchTrainer.fit. Ray Tune starts `run` on the head, without a CPU of its own."""

import os
import time
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import ray.train
import ray.tune
from ray.train.torch import TorchTrainer

from datasets import shards, splits, stream
from datasets.manifest import Manifest
from datasets.spec import Sampling
from orchestrator.spec import RunSpec
from orchestrator.store import RunFolder, Store
from orchestrator.train import train

# Ray Train polls its workers this often, and a run's end waits for the next poll.
TRAIN_ENV = {"RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2", "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0"}


def run(config: dict[str, Any]) -> None:
    """Train the run named by config["key"]; reports {"status": "done"} or "failed" with the reason, never raises."""
    folder = Store(Path(config["storage"])).run(config["key"])
    try:
        started = time.monotonic()
        fit(folder, config)
        folder.finish(round(time.monotonic() - started, 3))
    except Exception as error:
        cause = root_cause(error)
        folder.fail(f"{type(cause).__name__}: {cause}", traceback.format_exc())
    # Tune keeps what is reported only to tell the searcher; the run folder is the record.
    ray.tune.report({"status": folder.status})


def fit(folder: RunFolder, config: dict[str, Any]) -> None:
    os.environ.update(TRAIN_ENV)
    store, spec = Store(Path(config["storage"])), folder.spec
    manifest = Manifest.read(store.manifest(spec.data.manifest))
    sampling = Sampling(**config["sampling"])
    train_rows, test_rows = rows_of(spec, manifest)
    found = shards.Shards.read(shards.folder_of(store.root, manifest, sampling))
    datasets = {}
    owned = stream.deal(train_rows, spec.optimization.batch, spec.workers, spec.seed)
    for rank in range(spec.workers):
        for name, rows in (("train", owned[rank]), ("test", test_rows[rank :: spec.workers])):
            datasets[f"{name}-{rank}"] = stream.dataset(found, rows, spec.kind)
    TorchTrainer(
        train,
        train_loop_config={
            "folder": str(folder.path),
            "storage": config["storage"],
            "classes": len(manifest.classes),
            "sampling": asdict(sampling),  # pyright: ignore[reportArgumentType]
            "train_clips": len(train_rows),
        },
        scaling_config=ray.train.ScalingConfig(
            num_workers=spec.workers,
            use_gpu=config["resources"].get("GPU", 0) > 0,
            resources_per_worker=config["resources"],
        ),
        run_config=ray.train.RunConfig(name=folder.key, storage_path=str(store.root / "ray")),
        datasets=datasets,
        # Each worker's clips are a Dataset of its own: nothing is split while training.
        dataset_config=ray.train.DataConfig(datasets_to_split=[], execution_options=_ordered()),
    ).fit()


def _ordered() -> ray.data.ExecutionOptions:
    options = ray.train.DataConfig.default_ingest_options()
    options.preserve_order = True
    return options


def rows_of(spec: RunSpec, manifest: Manifest) -> tuple[np.ndarray, np.ndarray]:
    """Manifest rows a run trains on and is tested on."""
    train_rows, test_rows = splits.split(manifest, spec.data.protocol)
    labels = splits.labels(manifest)
    train_rows = splits.subset(train_rows, labels[train_rows], spec.data.ratio, spec.seed)
    if spec.kind != "fusion":
        hidden = (*spec.data.hidden_imu, *spec.data.hidden_video)
        train_rows = splits.without(train_rows, labels[train_rows], hidden)
    return train_rows, test_rows


def root_cause(error: BaseException) -> BaseException:
    """What went wrong in a worker, out of Ray Train's wrapping."""
    for inner in getattr(error, "worker_failures", {}).values():
        return root_cause(inner)
    return getattr(error, "cause", None) or error.__cause__ or error

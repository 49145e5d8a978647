"""TRIAL: one run is one TorchTrainer.fit. Its process lies on the head and takes no CPU of its own."""

import asyncio
import os
import threading
import time
import traceback
import uuid
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import ray.train
from ray.train.torch import TorchTrainer

from orchestrator.storage.metrics import score_run
from orchestrator.storage.run_folder import RunFolder
from orchestrator.storage.store import Store
from orchestrator.trial import failures
from orchestrator.trial.controller import Controller, without_helpers
from orchestrator.worker import watchdog

# Ray Train polls its workers this often, and a run's end waits for the next poll.
TRAIN_ENV = {
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    # A worker process that hasn't answered for so long is given up, and its run is tried again.
    "RAY_TRAIN_WORKER_HEALTH_CHECK_TIMEOUT_S": "120",
}

# With --spot. A cloud tells half a minute before, so Ray is asked every second.
SPOT_ENV = {"RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "1", "RAY_TRAIN_PREEMPTION_POLL_INTERVAL_S": "1"}

# A checkpoint at the end of an epoch, but not more often than this; only what comes after the last is trained again.
CHECKPOINT_SECONDS = 15.0


def train_and_score(config: dict[str, Any]) -> RunFolder:
    """Its folder, done, or failed with the reason."""
    folder = Store(Path(config["storage"]), config.get("start", 0)).run(config["key"]).begun()
    while True:
        try:
            started = time.monotonic()
            fit(folder, config)
            if folder.spec.classifies:
                folder.write_metrics(score_run(folder))
            folder.finish(round(time.monotonic() - started, 3))
            return folder
        except Exception as error:
            # A disk too full even for a word: the searcher tries once more.
            with suppress(OSError):
                free = config.get("spot", False) and failures.preempted(error)
                if (reason := failures.words(error)) and (free or folder.tries <= failures.RETRIES):
                    folder.note(reason, free)
                    folder = folder.begin_again()
                    continue
                reason = reason or failures.raised(root_cause(error), folder.spec, config["resources"].get("GPU", 1.0))
                folder.fail(reason, traceback.format_exc())
            return folder


def fit(folder: RunFolder, config: dict[str, Any]) -> None:
    spot = config.get("spot", False)
    env = TRAIN_ENV | (SPOT_ENV if spot else {})
    os.environ.update({name: value for name, value in env.items() if name not in os.environ})
    spec, resources = folder.spec, config["resources"]
    # Its scores are computed with it: while the workers start, this process has nothing to do. It comes after the spec,
    # which may import parts of SciPy: two threads that import parts of one package at once may fail with a KeyError.
    threading.Thread(target=import_module, args=("sklearn.metrics",), daemon=True).start()
    Trainer(
        in_worker,
        train_loop_config={name: config[name] for name in ("key", "storage")}
        | {"start": folder.start, "attempt": folder.attempt}
        | {"checkpoint_seconds": config.get("checkpoint_seconds", CHECKPOINT_SECONDS)}
        | {"stall_seconds": config.get("stall_seconds", watchdog.SECONDS)}
        | {"read": config.get("read", "shards"), "spot": spot},
        scaling_config=ray.train.ScalingConfig(
            num_workers=spec.workers, use_gpu=resources.get("GPU", 0) > 0, resources_per_worker=resources
        ),
        # Another name each time: Ray never goes on from a snapshot of its own, which a kill may have torn.
        run_config=ray.train.RunConfig(
            name=f"{folder.key}-{uuid.uuid4().hex[:8]}",
            storage_path=str(Path(config["storage"]) / "ray"),
            # What is tried again is decided above, so that it is counted and said.
            failure_config=ray.train.FailureConfig(max_preemption_failures=0),
        ),
    ).fit()


class Trainer(TorchTrainer):
    """Its controller lives in this process; see orchestrator/trial/controller.py."""

    def _create_default_callbacks(self) -> list:
        return without_helpers(super()._create_default_callbacks())

    def _initialize_and_run_controller(self, **given: Any) -> ray.train.Result:
        controller = Controller(**given)
        asyncio.run(controller.run())
        return controller.get_result()


def in_worker(config: dict[str, Any]) -> None:
    """Only workers import the training loop: torchvision costs each process that imports it three seconds."""
    from orchestrator.worker.train import train

    folder = Store(Path(config["storage"]), config["start"]).run(config["key"], config["attempt"])
    with watchdog.watched(folder.note, config["stall_seconds"]):
        train(config)


def root_cause(error: BaseException) -> BaseException:
    """What went wrong in a worker, out of Ray Train's wrapping."""
    for inner in getattr(error, "worker_failures", {}).values():
        return root_cause(inner)
    return getattr(error, "cause", None) or error.__cause__ or error

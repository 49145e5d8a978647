"""A storage of three runs that are done, and ways to damage one of its files."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from orchestrator.plan.plan import Plan
from orchestrator.storage import metrics
from orchestrator.storage.store import Store
from tests.support.runs import specs
from tests.support.runs.specs import HOW as HOW

IMU, VIDEO = specs.run("imu"), specs.run("video")
FUSION = specs.run("imu", "video", parents={"imu": IMU.key, "video": VIDEO.key})
PLAN = Plan("three", (), {spec.key: spec for spec in (IMU, VIDEO, FUSION)})
Damage = Callable[[Path], object]


def three_done(root: Path) -> Store:
    """A storage that holds all three runs, done."""
    store = Store(root)
    for spec in PLAN.runs.values():
        folder = store.run(spec.key)
        folder.begin(spec, {"plan": "three"})
        for epoch in (1, 2, 3):
            folder.append_history({"epoch": epoch, "loss": 1 / epoch})
        folder.save("model", {"model": {"weight": torch.randn(20_000)}})
        labels = np.array([0, 1, 1])
        table = {
            "clip": ["a", "b", "c"],
            "label": labels,
            "predicted": labels,
            "probabilities": list(np.eye(2)[labels]),
        }
        folder.write_predictions(pa.table(table))
        folder.write_metrics(metrics.score_run(folder))
        folder.finish(1.5)
    return store


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size * 6 // 10])


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def zeroed(file: Path) -> None:
    """What a crash leaves of a file whose name reached the disk before its content."""
    file.write_bytes(bytes(file.stat().st_size))


def flipped(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))

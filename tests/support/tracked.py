"""Made-up runs that a tracker logs, and a plan in MLflow as one who looks sees it."""

import itertools
from typing import Any

import numpy as np
import pyarrow as pa
from mlflow import MlflowClient
from mlflow.entities import Run

from datasets.modalities import imu, video
from models.spec import EncoderSpec, HeadSpec, NetworkSpec
from orchestrator.plan.spec import DataSpec, Optimization, RunSpec
from orchestrator.storage import metrics
from orchestrator.storage.store import Store
from orchestrator.tracking.tracker import Tracker

TAGS = {"corpus": "UTD-MHAD", "scale": "demo", "recipe": "paper", "protocol": "odd-even"}
TAGS |= {"protocol_text": "subjects 1 train, 2 test; last epoch; NOT CLEAN: recipe paper was chosen by subject 2"}
ABOUT = TAGS | {"video": "RGB", "modalities": {"imu": "IMU", "video": "RGB"}}
CLASSES = ["wave", "clap", "squat"]
STARTS = itertools.count()
OPTIMIZATION = Optimization(1e-3, 0, 8, epochs=450)
INPUTS = {"imu": imu.Input(100, 6), "video": video.Input(8, 32, 8, 32)}
ENCODERS = {"imu": EncoderSpec("cnn"), "video": EncoderSpec("s3d")}


def spec(stage: str, *read: str, seed: int = 3, objective: str = "classification", **given: Any) -> RunSpec:
    """Of a stage on these modalities; what is given further is of its data, and its parents."""
    parents = given.pop("parents", {})
    data = DataSpec("5f0c", {modality: INPUTS[modality] for modality in read}, **given)
    head = HeadSpec(1024, finetuned={"video": ("Mixed_4c", "Mixed_5c")} if parents else {})
    network = NetworkSpec({modality: ENCODERS[modality] for modality in read}, head, objective)
    return RunSpec(stage, network, data, OPTIMIZATION, seed, parents=parents)


IMU = spec("imu", "imu", ratio=0.5, hidden={"imu": (1, 2)})
PARENTS = {"imu": IMU.key, "video": "b2" * 8}
FUSION = spec("fusion", "imu", "video", hidden={"imu": (1,)}, parents=PARENTS)
PRETRAINED = spec("pretraining", "imu", "video", objective="contrastive")


class View:
    """A plan in MLflow, as one who looks sees it."""

    def __init__(self, uri: str, plan: str, store: Store):
        self.uri, self.plan, self.store, self.client = uri, plan, store, MlflowClient(uri)

    def tracker(self, created: str | None = None) -> Tracker:
        """Of another start each time, unless it is told which."""
        about = ABOUT | {"plan": self.plan, "classes": CLASSES, "created": created or f"start {next(STARTS)}"}
        return Tracker(self.uri, self.store, about)

    def runs(self, key: str) -> list[Run]:
        experiment = self.client.get_experiment_by_name(self.plan)
        assert experiment
        return list(self.client.search_runs([experiment.experiment_id], f"tags.key = '{key}'"))

    def run(self, key: str) -> Run:
        (only,) = self.runs(key)
        return only

    def steps(self, key: str, metric: str = "loss") -> list[int]:
        return [m.step for m in self.client.get_metric_history(self.run(key).info.run_id, metric)]


def train(store: Store, spec: RunSpec, first: int, last: int) -> None:
    for epoch in range(first, last + 1):
        row = {"epoch": epoch, "loss": 1 / epoch, "train_top1": 0.5, "seconds": 0.1}
        store.run(spec.key).append_history(row)


def finish(store: Store, spec: RunSpec) -> None:
    folder = store.run(spec.key)
    labels, predicted = np.array([0, 1, 2, 2]), np.array([0, 1, 1, 2])
    table = {"label": labels, "predicted": predicted, "probabilities": list(np.eye(3)[predicted])}
    folder.write_predictions(pa.table(table))
    folder.write_metrics(metrics.score_run(folder))
    folder.finish(1.5)

"""A run as an MLflow model: what `mlflow models serve` loads, and how its folder is written.

A request's rows have a column for each modality that the run reads: rows of numbers, or the bytes of a file in base64.
The numbers are inertial ones at 50 Hz, ax, ay, az in g and gx, gy, gz in deg/s; of MMAct its 12 channels at the run's
rate, null where a sensor has no sample; of a skeleton each joint's axes in the corpus's order, null where none was
found. A row may lack some modalities. A row of the answer has each class's probability, and a `note` where something is
to be known of a recording, as that its unit is implausible.
"""

import base64
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.models import ModelSignature, set_model
from mlflow.pyfunc import PythonModel, log_model, save_model  # pyright: ignore[reportPrivateImportUsage]
from mlflow.types.schema import Array, ColSpec, DataType, Schema

from datasets import modalities
from orchestrator.serving.predictor import Note, Predictor, predict
from orchestrator.storage.redaction import without_secrets
from orchestrator.storage.store import Store

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("orchestrator", "models", "datasets")
NEEDED = "mlflow ray[data,train] torch torchvision numpy pandas pyarrow av scipy pydantic".split()


class Served(PythonModel):
    def load_context(self, context: Any) -> None:
        self.predictor = Predictor.of(Store(Path(context.artifacts["storage"])), context.model_config["run"])

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        notes: list[list[str]] = []
        rows = []
        for row in model_input.to_dict("records"):
            notes.append([])
            rows.append(self.probabilities(row, notes[-1].append))
        found = pd.DataFrame(rows, columns=pd.Index(self.predictor.classes))
        told = any(notes) and "note" not in self.predictor.classes
        return found.assign(note=["; ".join(of) for of in notes]) if told else found

    def probabilities(self, row: dict[str, Any], note: Note) -> np.ndarray:
        """(K,). Raises ValueError for what the run can't predict from."""
        asked: dict[str, Any] = {}
        with ExitStack() as files:
            for name, value in row.items():  # what a row lacks comes as None or NaN
                if name in modalities.MODALITIES and isinstance(value, list | np.ndarray):
                    asked[name] = value
                elif name in modalities.MODALITIES and isinstance(value, str):
                    asked[name] = files.enter_context(_written(name, value))
            return predict(self.predictor, asked, note)


@contextmanager
def _written(name: str, value: str) -> Iterator[Path]:
    """A file that a request brings; readers tell most formats by its content."""
    with tempfile.NamedTemporaryFile(suffix=modalities.of(name).endings[0]) as file:
        file.write(base64.b64decode(value, validate=True))
        file.flush()
        yield Path(file.name)


def write(folder: Path, storage: Path, key: str) -> None:
    """The MLflow model of a run that `storage` holds, with the code that it needs."""
    save_model(folder, **described(storage, key))


def log(storage: Path, key: str, register: str | None = None, alias: str | None = None) -> str | None:
    """The same into each run of this key in the MLflow that is set, as its model; returns the version of the first,
    where it is registered under a name, and given an alias.

    Raises ValueError where MLflow has no such run.
    """
    client = MlflowClient()
    experiments = [found.experiment_id for found in client.search_experiments()]
    found = client.search_runs(experiments, f"tags.key = '{key}'")
    if not found:
        raise ValueError(
            f"--run {key}: MLflow at {without_secrets(mlflow.get_tracking_uri())} has no such run; track.py logs a"
            " storage."
        )
    model, versions = described(storage, key), []
    for run in found:  # one a plan that shares it
        with _open(run.info.run_id, run.info.status):
            made = log_model(name="model", registered_model_name=None if versions else register, **model)
            versions.append(str(made.registered_model_version))
    if register and alias:
        client.set_registered_model_alias(register, alias, versions[0])
    return versions[0] if register else None


@contextmanager
def _open(run_id: str, status: str) -> Iterator[None]:
    """A model is logged into the active run, which ends as it had ended."""
    mlflow.start_run(run_id)
    try:
        yield
    finally:
        mlflow.end_run(status)


def described(storage: Path, key: str) -> dict[str, Any]:
    """What MLflow writes of a model: its code and weights, signature, an example of a request."""
    predictor = Predictor.of(Store(storage), key)
    # MLflow's own binary type refuses a row that has none.
    kinds: dict[str, Any] = {"file": DataType.string, "rows": Array(Array(DataType.double))}
    inputs: list[Any] = [ColSpec(kinds[modalities.of(m).request], m, required=False) for m in modalities.MODALITIES]
    outputs: list[Any] = [ColSpec(DataType.float, name) for name in predictor.classes]
    return {
        "python_model": Path(__file__),
        "artifacts": {"storage": str(storage)},
        "model_config": {"run": key},
        "code_paths": [str(ROOT / name) for name in PACKAGES],
        "signature": ModelSignature(inputs=Schema(inputs), outputs=Schema(outputs)),
        "input_example": example(predictor),
        # Where MLflow makes an environment of its own; `--env-manager local` takes the one that is there.
        "pip_requirements": [f"{name}=={version(name.partition('[')[0])}" for name in NEEDED],
    }


def example(predictor: Predictor) -> pd.DataFrame:
    """A request's row of what the run reads, a second of each modality."""
    return pd.DataFrame([{m: modalities.of(m).example(predictor.source(m)) for m in predictor.spec.modalities}])


set_model(Served())

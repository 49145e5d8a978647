"""A run as an MLflow model: what `mlflow models serve` loads, and how its folder is written.

A request's rows have `video` (the bytes of a file that FFmpeg reads, in base64), `imu` (rows of ax, ay, az in g and gx,
gy, gz in deg/s at 50 Hz), or both; a row of the answer has each class's probability.
"""

import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.pyfunc import PythonModel, save_model
from mlflow.types.schema import Array, ColSpec, DataType, Schema

from orchestrator.predict import Predictor
from orchestrator.store import Store

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("orchestrator", "models", "datasets")
NEEDED = "mlflow ray[data,train] torch torchvision numpy pandas pyarrow av scipy pydantic".split()


class Served(PythonModel):
    def load_context(self, context: Any) -> None:
        self.predictor = Predictor.of(Store(Path(context.artifacts["storage"])), context.model_config["run"])

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        rows = [self.probabilities(row) for row in model_input.to_dict("records")]
        return pd.DataFrame(rows, columns=pd.Index(self.predictor.classes))

    def probabilities(self, row: dict[str, Any]) -> np.ndarray:
        """(K,). Raises ValueError for what the run can't predict from."""
        # What a row lacks comes as None or NaN.
        given = (row.get(name) for name in ("video", "imu"))
        video, signal = (value if isinstance(value, bytes | list | np.ndarray) else None for value in given)
        signal = None if signal is None else np.array([list(sample) for sample in signal], np.float32)
        if signal is not None and signal.shape[1:] != (6,):
            raise ValueError(f"imu is {'x'.join(map(str, signal.shape))}, not samples x 6")
        if video is None:
            return self.predictor.probabilities(None, signal)
        with tempfile.NamedTemporaryFile() as file:  # FFmpeg tells a format by its content
            file.write(video)
            file.flush()
            return self.predictor.probabilities(Path(file.name), signal)


def write(folder: Path, storage: Path, key: str) -> None:
    """The MLflow model of a run that `storage` holds, with the code that it needs."""
    save_model(
        folder,
        python_model=Path(__file__),
        artifacts={"storage": str(storage)},
        model_config={"run": key},
        code_paths=[str(ROOT / name) for name in PACKAGES],
        signature=ModelSignature(
            inputs=Schema(
                [
                    ColSpec(DataType.binary, "video", required=False),
                    ColSpec(Array(Array(DataType.double)), "imu", required=False),
                ]
            ),
        ),
        # Where MLflow makes an environment of its own; `--env-manager local` takes the one that is there.
        pip_requirements=[f"{name}=={version(name.partition('[')[0])}" for name in NEEDED],
    )


mlflow.models.set_model(Served())

"""A run as an MLflow model: what `mlflow models serve` loads, and how its folder is written.

A request's rows have `video` (the bytes of an AVI, MP4, MOV, Matroska or WebM, in base64), `imu` (rows of ax, ay, az in
g and gx, gy, gz in deg/s at 50 Hz), or both; a row of the answer has each class's probability.
"""

import base64
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import ModelSignature, set_model
from mlflow.pyfunc import PythonModel, save_model  # pyright: ignore[reportPrivateImportUsage]
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
        video, imu = row.get("video"), row.get("imu")
        signal = None
        if isinstance(imu, list | np.ndarray):
            signal = np.array([list(sample) for sample in imu], np.float32)  # pyright: ignore[reportArgumentType]
        if signal is not None and signal.shape[1:] != (6,):
            raise ValueError(f"imu is {'x'.join(map(str, signal.shape))}, not samples x 6")
        if not isinstance(video, str):
            return self.predictor.probabilities(None, signal)
        with tempfile.NamedTemporaryFile() as file:  # FFmpeg tells a format by its content
            file.write(base64.b64decode(video, validate=True))
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
                    # MLflow's own binary type refuses a row that has none.
                    ColSpec(DataType.string, "video", required=False),
                    ColSpec(Array(Array(DataType.double)), "imu", required=False),
                ]
            ),
        ),
        # Where MLflow makes an environment of its own; `--env-manager local` takes the one that is there.
        pip_requirements=[f"{name}=={version(name.partition('[')[0])}" for name in NEEDED],
    )


set_model(Served())

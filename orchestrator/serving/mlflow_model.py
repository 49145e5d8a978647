"""A run as an MLflow model: what `mlflow models serve` loads, and how its folder is written.

A request's rows have `video` (the bytes of an AVI, MP4, MOV, Matroska or WebM, in base64), `imu` (rows of ax, ay, az in
g and gx, gy, gz in deg/s at 50 Hz; of MMAct its 12 channels at the run's rate, null where a sensor has no sample), or
both; a row of the answer has each class's probability. Where something is to be known of a recording, as that its unit
is implausible, the rows have a `note` besides.
"""

import base64
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import av
import mlflow
import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.models import ModelSignature, set_model
from mlflow.pyfunc import PythonModel, log_model, save_model  # pyright: ignore[reportPrivateImportUsage]
from mlflow.types.schema import Array, ColSpec, DataType, Schema

from datasets import corpora
from datasets.signals import units
from orchestrator.serving.predictor import Note, Predictor
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
        # What a row lacks comes as None or NaN.
        video, imu = row.get("video"), row.get("imu")
        signal = None
        if isinstance(imu, list | np.ndarray):
            signal = table_of(imu, self.predictor.layout)
        if not isinstance(video, str):
            return self.predictor.probabilities(None, signal, note)
        with tempfile.NamedTemporaryFile() as file:  # FFmpeg tells a format by its content
            file.write(base64.b64decode(video, validate=True))
            file.flush()
            return self.predictor.probabilities(Path(file.name), signal, note)


def table_of(imu: Iterable[Iterable[float | None]], layout: str) -> np.ndarray:
    """A request's signal (S, C). Raises ValueError where a scan of the corpus would refuse it."""
    samples = [list(sample) for sample in imu]
    try:
        return corpora.check(layout, np.array(samples, np.float32))  # pyright: ignore[reportArgumentType]
    except ValueError as error:
        widths = sorted({len(sample) for sample in samples})
        raise ValueError(f"imu {error}" if len(widths) == 1 else f"imu has samples of {widths} channels") from None


def write(folder: Path, storage: Path, key: str) -> None:
    """The MLflow model of a run that `storage` holds, with the code that it needs."""
    save_model(folder, **described(storage, key))


def log(storage: Path, key: str) -> None:
    """The same into each run of this key in the MLflow that is set, as its model.

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
    model = described(storage, key)
    for run in found:  # one a plan that shares it
        with _open(run.info.run_id, run.info.status):
            log_model(name="model", **model)


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
    inputs: list[Any] = [
        # MLflow's own binary type refuses a row that has none.
        ColSpec(DataType.string, "video", required=False),
        ColSpec(Array(Array(DataType.double)), "imu", required=False),
    ]
    predictor = Predictor.of(Store(storage), key)
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
    """A request's row of what the run reads: a second of a still sensor, a second of a grey video."""
    row: dict[str, Any] = {}
    if "video" in predictor.modalities():
        with tempfile.NamedTemporaryFile(suffix=".mp4") as file:
            with av.open(file.name, "w") as container:
                stream = container.add_stream("mpeg4", rate=15)
                stream.width = stream.height = 64
                stream.pix_fmt = "yuv420p"
                for _ in range(15):
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((64, 64, 3), 128, np.uint8))))
                container.mux(stream.encode())
            row["video"] = base64.b64encode(Path(file.name).read_bytes()).decode()
    if "imu" in predictor.modalities():
        stated = corpora.of(predictor.layout).units or (None,) * (predictor.channels // 3)
        down = np.repeat([units.GRAVITY.get(unit or "", 0.0) for unit in stated], 3) * ([0.0, 1.0, 0.0] * len(stated))
        tremor = 0.01 * np.sin(np.arange(50.0)[:, None] + np.arange(predictor.channels))
        row["imu"] = (down + tremor).tolist()
    return pd.DataFrame([row])


set_model(Served())

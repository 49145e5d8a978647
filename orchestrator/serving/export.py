"""A finished run for use elsewhere: as ONNX, checked against PyTorch, or as an MLflow model that answers requests."""

import json
import shutil
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from datasets import modalities
from models.encoders.encoder import Encoder
from models.network import Network
from orchestrator.serving.predictor import Predictor, finished
from orchestrator.storage.store import Store

TOLERANCE = 1e-4


class Inputs(nn.Module):
    """The network with its inputs by position, as an ONNX graph has them, and its logits as probabilities."""

    def __init__(self, model: Network, names: tuple[str, ...]):
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *values: Tensor) -> Tensor:
        return self.model.logits(dict(zip(self.names, values, strict=True))).float().softmax(1)


def example(predictor: Predictor, clips: int) -> dict[str, Tensor]:
    """What the network sees of so many made-up clips of different lengths; of several modalities the last lacks one."""
    draw, batch = torch.Generator().manual_seed(0), {}
    for name, given in predictor.spec.data.inputs.items():
        batch[name] = modalities.of(name).drawn(given, clips, draw)
        longest = batch[name].shape[1]
        batch[f"{name}_length"] = torch.linspace(longest, longest // 2, clips).long()
    if len(predictor.spec.modalities) > 1:
        batch[f"{predictor.spec.modalities[0]}_length"][-1] = 0
    return batch


def to_onnx(store: Store, key: str, file: Path) -> float:
    """Write the network, any number of clips a batch; returns by how much its probabilities differ from PyTorch's.

    It takes what the network sees: each modality by its name, signals (B, S, C) and skeletons (B, S, J, D) float32,
    frames (B, T, H, W, 3) uint8, and their true lengths, decoded, resampled and padded as training does; a length of 0
    is a missing modality. Its metadata have the run's key and, as JSON in `classes`, the names behind the probabilities
    in their order. Raises ValueError and keeps no file where the difference is above TOLERANCE. All of it is
    fp32, and so is the PyTorch it is compared with: of a run in bf16, or with frozen blocks, what training and
    predict.py compute is rounded more coarsely.
    """
    try:
        import onnxruntime
    except ImportError:
        raise ValueError("ONNX needs onnx, onnxruntime and onnxscript: pip install '.[export]'.") from None
    predictor = Predictor.of(store, key)
    for module in predictor.model.modules():
        if hasattr(module, "bf16"):
            module.bf16 = False  # pyright: ignore  # the file's weights are fp32, and so are its steps
        if isinstance(module, Encoder):
            module.rounds = False
    batch = example(predictor, 2)
    network = Inputs(predictor.model, tuple(batch)).eval()
    any_number = tuple({0: torch.export.Dim("clips")} for _ in batch)
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=file.parent, prefix=".onnx-") as scratch:
        part = Path(scratch) / file.name
        with warnings.catch_warnings():  # that the first axis of all inputs is one and the same is meant
            warnings.filterwarnings("ignore", "# The axis name: clips will not be used")
            program = torch.onnx.export(
                network, tuple(batch.values()), input_names=list(batch), output_names=["probabilities"],
                dynamic_shapes=(any_number,), dynamo=True, verbose=False,
            )  # fmt: skip
        assert program is not None
        program.model.metadata_props.update(run=key, classes=json.dumps(predictor.classes))
        program.save(part, external_data=False)
        session = onnxruntime.InferenceSession(part, providers=["CPUExecutionProvider"])
        worst = 0.0
        for clips in (1, 3):
            asked = example(predictor, clips)
            with torch.no_grad():
                expected = network(*asked.values()).numpy()
            [found] = session.run(None, {name: values.numpy() for name, values in asked.items()})
            worst = max(worst, float(np.abs(found - expected).max()))
        if worst > TOLERANCE:
            raise ValueError(
                f"{file}: ONNX and PyTorch differ by {worst:.2g}, more than {TOLERANCE:g}; nothing written."
            )
        shutil.move(part, file)
    return worst


def to_mlflow(store: Store, key: str, folder: Path) -> None:
    """A folder for `mlflow models serve`: the run, its classes and the code that decodes and predicts."""
    if folder.exists():
        raise ValueError(f"{folder}: is there already; remove it or give another name.")
    from orchestrator.serving import mlflow_model

    with tempfile.TemporaryDirectory() as scratch:
        Predictor.of(store, key)  # what is written can be loaded
        copy_run(store, key, Store(Path(scratch)))
        mlflow_model.write(folder, Path(scratch), key)


def log_mlflow(store: Store, key: str, uri: str, register: str | None = None, alias: str | None = None) -> str | None:
    """The same as the model of the run that an MLflow has of this key; returns its version where it is registered."""
    import mlflow

    from orchestrator.serving import mlflow_model
    from orchestrator.tracking import relocation
    from orchestrator.tracking.errors import answering

    mlflow.set_tracking_uri(uri)
    with tempfile.TemporaryDirectory() as scratch:
        copy_run(store, key, Store(Path(scratch)))
        with answering(uri):
            relocation.follow(uri, store.root)
            return mlflow_model.log(Path(scratch), key, register, alias)


def copy_run(store: Store, key: str, to: Store) -> None:
    """What predicting takes of a storage: the run's spec and weights, those specs that its network is built by, and its
    classes."""
    run = finished(store, key)
    copy_specs(store, key, to)
    for name in ("model.pt", "done.json"):
        shutil.copy(run.path / name, to.run(key).path)
    manifest = to.manifest(run.spec.data.recordings)
    manifest.parent.mkdir()
    shutil.copy(store.manifest(run.spec.data.recordings), manifest)


def copy_specs(store: Store, key: str, to: Store) -> None:
    """A run's, and those of the parents that it stands on."""
    to.run(key).path.mkdir(parents=True, exist_ok=True)
    shutil.copy(store.run(key).path / "spec.json", to.run(key).path)
    for parent in store.run(key).spec.parents.values():
        copy_specs(store, parent, to)

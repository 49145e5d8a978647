"""Predicting recordings of one's own with a run on MMAct: a folder of the sensors' files is a signal of 12 channels."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from datasets import corpora, modalities, stream
from datasets.decoding import Recordings
from datasets.manifest import Manifest
from datasets.signals.mmact_sensors import SENSORS
from orchestrator.serving.export import to_onnx
from orchestrator.serving.predictor import Predictor, predict_files, predict_folder
from orchestrator.storage.store import Store
from orchestrator.worker.transforms import see
from tests.support.runs.untrained import six_done

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


@pytest.fixture(scope="module")
def runs(desk: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, dict, Manifest]:
    manifest = corpora.read("synthetic-mmact", desk, tmp_path_factory.mktemp("scans"), ("imu", "video"))
    manifest = replace(manifest, clips=manifest.clips.slice(0, 4))
    return *six_done(tmp_path_factory.mktemp("untrained"), manifest), manifest


@pytest.fixture
def own(runs: tuple, tmp_path: Path) -> Path:
    """An instance's files as one has them at hand: mine.mp4 beside mine/acc_phone.csv, ..."""
    manifest = runs[2]
    clip = manifest.clips.to_pylist()[0]
    (tmp_path / "mine").mkdir()
    shutil.copy(manifest.root / clip["video"], tmp_path / "mine.mp4")
    for sensor, file in zip(SENSORS, clip["imu"].split("|"), strict=True):
        shutil.copy(manifest.root / file, tmp_path / "mine" / f"{sensor}.csv")
    return tmp_path


@pytest.mark.parametrize("recipe", ["paper", "tuned"])
def test_a_folder_of_sensors_gives_what_the_corpus_gives(recipe: str, runs: tuple, own: Path) -> None:
    store, specs, manifest = runs
    predictor = Predictor.of(store, specs[f"fusion {recipe}"].key)
    batch = {}
    for name, given in predictor.spec.data.inputs.items():
        clip = Recordings.of(manifest, name, given).table([0])
        batch |= stream.tensors(clip, {name: modalities.of(name).shape(given)})
    assert batch["imu"].shape[2] == predictor.spec.data.inputs["imu"].channels == 12
    with torch.no_grad():
        expected = predictor.model.logits(see(batch, predictor.spec, vary=False)).softmax(1)[0].numpy()
    table = predict_folder(predictor, own)
    assert table["clip"].to_pylist() == ["mine"] and table["error"].null_count == 1
    np.testing.assert_allclose(table["probabilities"][0].as_py(), expected, atol=1e-6)
    assert np.abs(expected - predict_files(predictor, {"video": own / "mine.mp4"})).max() > 1e-5


def test_a_sensor_may_be_missing_and_a_bad_file_is_named(runs: tuple, own: Path) -> None:
    store, specs, _ = runs
    predictor = Predictor.of(store, specs["imu tuned"].key)
    whole = predict_files(predictor, {"imu": own / "mine"})
    (own / "mine/gyro.csv").unlink()
    without = predict_files(predictor, {"imu": own / "mine"})
    assert np.isfinite(without).all() and (whole != without).any()
    (own / "mine/acc_watch.csv").write_text("20181016_13:37:28.0,1,2\n")
    with pytest.raises(ValueError, match=r"^\S+/mine/acc_watch\.csv: is no CSV of time,x,y,z"):
        predict_files(predictor, {"imu": own / "mine"})
    with pytest.raises(ValueError, match=r"mine.mp4: is no folder that holds any of acc_phone.csv"):
        predict_files(predictor, {"imu": own / "mine.mp4"})


def test_onnx_takes_twelve_channels(runs: tuple, tmp_path: Path) -> None:
    store, specs, _ = runs
    to_onnx(store, specs["imu tuned"].key, tmp_path / "imu.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "imu.onnx", providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].shape[1:] == [256, 12]

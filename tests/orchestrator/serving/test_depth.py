"""Depth through every door: files, folders, requests, ONNX and the report's pictures, alone and fused with signals."""

import base64
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.io import loadmat

from datasets import corpora
from datasets.manifest import Manifest
from datasets.synthetic import utd_mhad as synthetic
from orchestrator.report import pictures
from orchestrator.serving import saliency
from orchestrator.serving.export import to_onnx
from orchestrator.serving.predictor import Predictor, clips, predict_files, predict_folder
from orchestrator.storage.store import Store
from tests.support.runs.untrained import CLIP, fused_done

MLFLOWS_OWN = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
READ = ("depth", "imu")
FILE = f"Depth/{CLIP}_depth.mat"
Made = tuple[Store, dict[str, str]]


@pytest.fixture(scope="module")
def folder(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The twelve clips with depth beside them."""
    folder = shutil.copytree(recordings, tmp_path_factory.mktemp("depth") / "corpus")
    return synthetic.write(folder, subjects=2, trials=2, actions=3, modalities=("depth",))


@pytest.fixture(scope="module")
def corpus(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return corpora.read("utd-mhad", folder, tmp_path_factory.mktemp("cache"), READ)


@pytest.fixture(scope="module")
def depths(corpus: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Done runs of the tuned recipe, untrained: the keys by their modalities."""
    return fused_done(tmp_path_factory.mktemp("storage"), corpus)


def test_a_scan_reads_depth_beside_signals(corpus: Manifest) -> None:
    assert corpus.modalities == READ and not corpus.bad and min(corpus.clips["depth_count"].to_pylist()) >= 20
    assert "video" not in corpus.shows


@pytest.mark.parametrize("read", [("depth",), READ])
def test_a_folder_is_paired_by_clip(read: tuple[str, ...], folder: Path, corpus: Manifest) -> None:
    found = clips("utd-mhad", read, folder)
    assert [*found] == corpus.clips["clip"].to_pylist() and all({*files} == {*read} for files in found.values())


def test_a_folder_is_predicted_from_the_files_of_each_clip(depths: Made, folder: Path, tmp_path: Path) -> None:
    for name in ("a1_s1_t1", "a2_s2_t1", "a3_s1_t2"):
        shutil.copy(folder / f"Depth/{name}_depth.mat", tmp_path)
        shutil.copy(folder / f"Inertial/{name}_inertial.mat", tmp_path)
    store, keys = depths
    table = predict_folder(Predictor.of(store, keys["depth+imu"]), tmp_path)
    assert table["error"].null_count == 3 and table["clip"].to_pylist() == ["a1_s1_t1", "a2_s2_t1", "a3_s1_t2"]
    rows = np.array(table["probabilities"].to_pylist())
    assert len(np.unique(rows.round(6), axis=0)) == 3, "the recordings reach the network"


def test_a_picture_of_depth_is_no_video(folder: Path, tmp_path: Path) -> None:
    for name in ("a_color.avi", "a_depth.avi", "a_skeleton.avi"):
        shutil.copy(folder / f"RGB/{CLIP}_color.avi", tmp_path / name)
    shutil.copy(folder / FILE, tmp_path / "a_depth.mat")
    found = clips("utd-mhad", ("depth", "imu", "video"), tmp_path)
    assert found == {"a": {"video": tmp_path / "a_color.avi", "depth": tmp_path / "a_depth.mat"}}


@MLFLOWS_OWN
def test_a_request_holds_the_mat_or_an_npz(depths: Made, folder: Path, tmp_path: Path) -> None:
    from orchestrator.serving import mlflow_model

    store, keys = depths
    expected = predict_files(Predictor.of(store, keys["depth"]), {"depth": folder / FILE})
    np.savez_compressed(tmp_path / "a.npz", depth=loadmat(folder / FILE)["d_depth"].transpose(2, 0, 1))
    served = mlflow_model.Served()
    served.predictor = Predictor.of(store, keys["depth"])
    for file in (folder / FILE, tmp_path / "a.npz"):
        asked = pd.DataFrame([{"depth": base64.b64encode(file.read_bytes()).decode(), "imu": None}])
        np.testing.assert_allclose(served.predict(None, asked).to_numpy()[0], expected, atol=1e-6)
    assert served.predict(None, mlflow_model.example(served.predictor)).shape == (1, 27)


def test_a_file_that_is_no_depth_is_named(depths: Made, folder: Path) -> None:
    store, keys = depths
    predictor, signal = Predictor.of(store, keys["depth"]), folder / f"Inertial/{CLIP}_inertial.mat"
    with pytest.raises(ValueError, match=f"^{signal}: is no file of depth, which ends in _depth.mat or _depth.npz"):
        predict_files(predictor, {"depth": signal})


@pytest.mark.long
@MLFLOWS_OWN
def test_onnx_gives_pytorchs_probabilities(depths: Made, tmp_path: Path) -> None:
    store, keys = depths
    assert to_onnx(store, keys["depth+imu"], tmp_path / "model.onnx") < 1e-4


@pytest.mark.long
def test_the_report_shows_where_the_network_looks(depths: Made, corpus: Manifest) -> None:
    store, keys = depths
    predictor = Predictor.of(store, keys["depth+imu"])
    batch = saliency.stored(store, predictor.spec, corpus, 0)
    look = saliency._look(batch, predictor, CLIP, {"depth": "depth (mm)", "imu": "IMU"})
    frames, heat = look.seen["depth (mm)"]
    assert frames.shape == (8, 32, 32, 3) and heat.shape == (8, 32, 32) and heat.max() > 0
    assert pictures.frames(look).startswith(b"\x89PNG") and pictures.signal(look).startswith(b"\x89PNG")

"""Skeletons through every door: folders, requests, ONNX and the report's pictures, fused with signals."""

import shutil
from dataclasses import replace
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
from orchestrator.serving.predictor import Predictor, predict, predict_files, predict_folder
from orchestrator.storage.store import Store
from tests.support.runs.untrained import CLIP, fused_done

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
READ = ("imu", "skeleton")
FILE = f"Skeleton/{CLIP}_skeleton.mat"


@pytest.fixture(scope="module")
def folder(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The twelve clips with skeletons beside them."""
    folder = shutil.copytree(recordings, tmp_path_factory.mktemp("skeleton") / "corpus")
    return synthetic.write(folder, subjects=2, trials=2, actions=3, modalities=("skeleton",))


@pytest.fixture(scope="module")
def corpus(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return corpora.read("utd-mhad", folder, tmp_path_factory.mktemp("cache"), READ)


@pytest.fixture(scope="module")
def fused(corpus: Manifest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, str]:
    """A done run of the tuned recipe, untrained, and its parents."""
    store, keys = fused_done(tmp_path_factory.mktemp("storage"), corpus)
    return store, keys["imu+skeleton"]


def test_a_folder_is_predicted_from_the_files_of_each_clip(fused: tuple, folder: Path, tmp_path: Path) -> None:
    for name in ("a1_s1_t1", "a2_s2_t1", "a3_s1_t2"):
        shutil.copy(folder / f"Skeleton/{name}_skeleton.mat", tmp_path)
        shutil.copy(folder / f"Inertial/{name}_inertial.mat", tmp_path)
    table = predict_folder(Predictor.of(*fused), tmp_path)
    assert table["error"].null_count == 3 and table["clip"].to_pylist() == ["a1_s1_t1", "a2_s2_t1", "a3_s1_t2"]
    rows = np.array(table["probabilities"].to_pylist())
    assert len(np.unique(rows.round(6), axis=0)) == 3, "the recordings reach the network"


def test_a_request_holds_a_row_a_sample(fused: tuple, folder: Path) -> None:
    from orchestrator.serving import mlflow_model  # importing MLflow's models warns

    predictor = Predictor.of(*fused)
    expected = predict_files(predictor, {"skeleton": folder / FILE})
    rows = loadmat(folder / FILE)["d_skel"].transpose(2, 0, 1).reshape(-1, 60).tolist()
    np.testing.assert_allclose(predict(predictor, {"skeleton": rows}), expected, atol=1e-6)
    served = mlflow_model.Served()
    served.predictor = predictor
    found = served.predict(None, pd.DataFrame([{"skeleton": rows, "imu": None}])).to_numpy()[0]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert served.predict(None, mlflow_model.example(predictor)).shape == (1, 27)
    with pytest.raises(ValueError, match=r"skeleton has samples of \[59\] numbers, not 60"):
        predict(predictor, {"skeleton": [row[:-1] for row in rows]})


@pytest.mark.long
def test_onnx_gives_pytorchs_probabilities(fused: tuple, tmp_path: Path) -> None:
    assert to_onnx(*fused, tmp_path / "model.onnx") < 1e-4


def test_the_report_draws_the_figure_where_the_network_looks(fused: tuple, corpus: Manifest) -> None:
    predictor = Predictor.of(*fused)
    batch = saliency.stored(fused[0], predictor.spec, corpus, 0)
    look = saliency._look(batch, predictor, CLIP, {"skeleton": "skeleton", "imu": "IMU"})
    frames, heat = look.seen["skeleton"]
    assert frames.shape == (64, 120, 120, 3) and heat.shape == (64, 120, 120) and heat.max() > 0
    assert (frames.min(axis=(1, 2, 3)) < 100).all()  # bones are drawn in each
    assert pictures.frames(look).startswith(b"\x89PNG") and pictures.signal(look).startswith(b"\x89PNG")


def test_a_skeleton_alone_has_no_signal_to_draw(fused: tuple, corpus: Manifest) -> None:
    predictor = Predictor.of(*fused)
    look = saliency._look(saliency.stored(fused[0], predictor.spec, corpus, 0), predictor, CLIP, {m: m for m in READ})
    alone = replace(look, seen={"skeleton": look.seen["skeleton"]})
    assert pictures.signal(alone).startswith(b"\x89PNG")

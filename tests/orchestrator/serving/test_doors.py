"""The same recording by every door: a scan, a file or a folder given to predict.py, a request to the server."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from scipy.io import savemat

from datasets import corpora
from datasets.files import sandbox
from datasets.files.bad_file import BadRecordings
from datasets.signals import inertial
from experiments.predict import Asked
from experiments.predict import predict as command
from orchestrator.serving.predictor import Predictor, predict_files
from tests.support.recordings import films

if TYPE_CHECKING:
    from orchestrator.serving.mlflow_model import Served

Made = tuple
# MLflow's own, of its own types.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture
def predictor(made: Made) -> Predictor:
    store, specs = made
    return Predictor.of(store, specs["fusion paper"].key)


@pytest.fixture
def served(predictor: Predictor) -> Served:
    from orchestrator.serving.mlflow_model import Served

    found = Served()
    found.predictor = predictor
    return found


def answer(served: Served, **row: object) -> pd.DataFrame:
    return served.predict(None, pd.DataFrame([{"video": None, "imu": None} | row]))


def scanned(video: Path, signal: np.ndarray, to: Path) -> list[str]:
    """What a scan of one clip notes; raises BadRecordings."""
    for name in ("RGB", "Inertial"):
        (to / name).mkdir(parents=True)
    (to / "RGB/a1_s1_t1_color.avi").write_bytes(video.read_bytes())
    savemat(to / "Inertial/a1_s1_t1_inertial.mat", {"d_iner": signal})
    return list(corpora.read("utd-mhad", to, to.parent / "scans", ("imu", "video")).notes)


def test_another_unit_is_told_by_every_door(
    made: Made, predictor: Predictor, served: Served, files: dict, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    signal = inertial.read_mat(files["imu"]) * np.array([9.80665] * 3 + [1.0] * 3)
    words = "it is likely in m/s^2; multiply it by 0.101972"
    [note] = scanned(files["video"], signal, tmp_path / "corpus")
    assert note.startswith("WARNING: ") and words in note
    own = tmp_path / "own/clip.csv"
    own.parent.mkdir()
    np.savetxt(own, signal, "%.6f", ",", header=",".join(inertial.CHANNELS), comments="")
    told: list[str] = []
    plain = predict_files(predictor, {"imu": own}, told.append)
    with pytest.warns(UserWarning, match="likely"):
        predict_files(predictor, {"imu": own})
    assert [words in said for said in told] == [True]
    assert command(Asked(predictor.spec.key, made[0].root, imu=own)) == 0
    assert capsys.readouterr().out.count(words) == 1
    out = tmp_path / "p.parquet"
    assert command(Asked(predictor.spec.key, made[0].root, folder=own.parent, out=out)) == 0
    assert capsys.readouterr().out.count(words) == 1
    [row] = pq.read_table(out).to_pylist()
    assert words in row["note"] and row["error"] is None
    found = answer(served, imu=signal.tolist())
    assert words in found["note"][0]
    np.testing.assert_allclose(found.drop(columns="note").to_numpy()[0], plain, atol=1e-5)


def test_what_is_plausible_is_told_by_none(
    made: Made, predictor: Predictor, served: Served, files: dict, tmp_path: Path
) -> None:
    from orchestrator.serving.mlflow_model import example

    told: list[str] = []
    predict_files(predictor, files, told.append)
    assert told == [] == scanned(files["video"], inertial.read_mat(files["imu"]), tmp_path / "corpus")
    row = {
        "imu": inertial.read_mat(files["imu"]).tolist(),
        "video": base64.b64encode(files["video"].read_bytes()).decode(),
    }
    assert "note" not in answer(served, **row)
    shown = example(predictor)  # with the exported model
    assert "note" not in served.predict(None, shown)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_is_no_number_is_refused_by_every_door(
    value: float, predictor: Predictor, served: Served, files: dict, tmp_path: Path
) -> None:
    signal = inertial.read_mat(files["imu"]).astype(float)
    signal[7, 2] = value
    words = "1 values that are NaN or infinite"
    with pytest.raises(BadRecordings, match=words):
        scanned(files["video"], signal, tmp_path / "corpus")
    savemat(tmp_path / "own.mat", {"d_iner": signal})
    with pytest.raises(ValueError, match=rf"own\.mat: .*{words}"):
        predict_files(predictor, {"imu": tmp_path / "own.mat"})
    with pytest.raises(ValueError, match=f"imu has {words}"):
        answer(served, imu=signal.tolist())


@pytest.mark.parametrize(
    ("imu", "words"),
    [
        ([[1.0] * 5] * 60, "imu is 60x5, not samples x 6"),
        ([[1.0] * 6] * 59 + [[1.0] * 5], r"imu has samples of \[5, 6\] channels"),
        ([], r"imu .*is 0, not samples x 6|imu has samples of \[\] channels"),
    ],
)
def test_a_request_of_another_shape_is_refused(imu: list, words: str, served: Served) -> None:
    with pytest.raises(ValueError, match=words):
        answer(served, imu=imu)


def test_a_turned_film_with_a_spoilt_packet_is_read_alike_by_every_door(
    predictor: Predictor, served: Served, files: dict, tmp_path: Path
) -> None:
    film = films.film(tmp_path / "a.mp4", films.noise(36), options=films.GROUPS)
    films.spoil(films.set_matrix(film, 0, 1, -1, 0), range(20, 21))
    assert sandbox.examine("datasets.videos.video_file:summary", film).notes == {"lost": "1 of 36"}
    told: list[str] = []
    plain = predict_files(predictor, {"video": film}, told.append)
    [note] = scanned(film, inertial.read_mat(files["imu"]), tmp_path / "corpus")
    assert "packets that can't be decoded are left out" in note and "(1 of 36)" in note
    assert told == ["packets that can't be decoded are left out, the other frames are read (1 of 36)"]
    found = answer(served, video=base64.b64encode(film.read_bytes()).decode())
    assert found["note"][0] == told[0]
    np.testing.assert_allclose(found.drop(columns="note").to_numpy()[0], plain, atol=1e-5)

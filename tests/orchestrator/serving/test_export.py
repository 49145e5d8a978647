"""A run for use elsewhere: ONNX gives PyTorch's numbers, and an MLflow server answers with what predict says."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import mlflow
import numpy as np
import onnxruntime
import pytest
from mlflow import MlflowClient

from datasets.manifest import Manifest
from datasets.modalities import MODALITIES
from datasets.signals import inertial
from experiments.export import Asked
from experiments.export import export as command
from orchestrator.driver.terminal import refuse_bad_input
from orchestrator.serving.export import copy_run, to_onnx
from orchestrator.serving.predictor import Predictor, predict_files
from orchestrator.storage.store import Store
from orchestrator.tracking.tracker import Tracker
from tests.support.runs.untrained import KINDS, six_done

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def made(made: tuple) -> tuple[Store, dict[str, str]]:
    """The storage, and the keys of the paper's recipe by stage."""
    store, specs = made
    return store, {stage: specs[f"{stage} paper"].key for stage in KINDS}


def test_onnx_gives_pytorchs_probabilities(
    made: tuple, recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, keys = made
    file = tmp_path / "new" / "imu.onnx"
    assert command(Asked(keys["imu"], file, store.root)) == 0
    assert "differs from PyTorch by at most" in capsys.readouterr().out
    assert [path.name for path in file.parent.iterdir()] == ["imu.onnx"]  # weights and all
    mat = recordings / "Inertial/a1_s1_t1_inertial.mat"
    predictor = Predictor.of(store, keys["imu"])
    signal, length = inertial.pad_signal(inertial.read_mat(mat), predictor.spec.data.inputs["imu"].samples)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    asked = {"imu": np.stack([signal] * 5), "imu_length": np.full(5, length)}
    [found] = session.run(None, asked)
    expected = predict_files(predictor, {"imu": mat})
    assert np.asarray(found).shape == (5, 27)
    about = session.get_modelmeta().custom_metadata_map
    assert about["run"] == keys["imu"] and tuple(json.loads(about["classes"])) == predictor.classes
    np.testing.assert_allclose(found, [expected] * 5, atol=1e-4)


@pytest.mark.long
@pytest.mark.parametrize("kind", ["video", "fusion"])
def test_onnx_of_what_sees_video(kind: str, made: tuple, recordings: Path, tmp_path: Path) -> None:
    store, keys = made
    assert to_onnx(store, keys[kind], tmp_path / "model.onnx") < 1e-4
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    reads = {"video": ["video"], "fusion": ["imu", "video"]}[kind]
    assert [put.name for put in session.get_inputs()] == [f"{name}{end}" for name in reads for end in ("", "_length")]


@pytest.mark.long
@pytest.mark.parametrize("name", ["video tuned", "fusion tuned"])
def test_onnx_of_the_tuned_recipe(name: str, tmp_path: Path, manifest: Manifest) -> None:
    """With its crop, differences as channels and resampling; trained in bf16, compared in fp32."""
    store, specs = six_done(tmp_path / "storage", manifest)
    assert to_onnx(store, specs[name].key, tmp_path / "model.onnx") < 1e-4


def test_an_onnx_that_differs_is_not_kept(made: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, keys = made
    monkeypatch.setattr("orchestrator.serving.export.TOLERANCE", -1.0)
    with pytest.raises(ValueError, match=r"imu.onnx: ONNX and PyTorch differ by .* nothing written"):
        to_onnx(store, keys["imu"], tmp_path / "imu.onnx")
    assert not list(tmp_path.iterdir())


def test_bad_input_is_one_line(made: tuple, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store, keys = made
    for asked, words in (
        (Asked("0123456789abcdef", tmp_path / "model.onnx", store.root), "has no such run"),
        (Asked(keys["imu"], tmp_path, store.root), f"{tmp_path}: is there already"),
        (Asked(keys["imu"], storage=store.root), "give --out FILE.onnx, --out DIR or --tracking-uri URI"),
    ):
        assert refuse_bad_input(lambda asked=asked: command(asked)) == 2
        message = capsys.readouterr().err
        assert words in message and message.count("\n") == 1


def test_what_is_copied_of_a_storage_predicts(made: tuple, recordings: Path, tmp_path: Path) -> None:
    store, keys = made
    copy_run(store, keys["fusion"], Store(tmp_path))
    film = {"video": recordings / "RGB/a1_s1_t1_color.avi"}
    found, expected = (predict_files(Predictor.of(s, keys["fusion"]), film) for s in (Store(tmp_path), store))
    np.testing.assert_array_equal(found, expected)
    # The parents' weights are in the fusion's own.
    assert sorted(file.parent.name for file in tmp_path.rglob("model.pt")) == [keys["fusion"]]


def test_a_run_in_mlflow_gets_its_model(made: tuple, files: dict, tmp_path: Path) -> None:
    store, keys = made
    uri, key = f"sqlite:///{tmp_path / 'mlflow.db'}", keys["fusion"]
    words = ("plan", "corpus", "scale", "recipe", "protocol", "protocol_text")
    predictor = Predictor.of(store, key)
    about = dict.fromkeys(words, "made up") | {"classes": list(predictor.classes), "created": "now"}
    about |= {"modalities": {"imu": "IMU", "video": "Drawn figure"}}
    with pytest.raises(ValueError, match="has no such run"):
        command(Asked(key, storage=store.root, tracking_uri=uri))
    tracker = Tracker(uri, store, about)
    run_id, before = tracker._create(key, predictor.spec).info.run_id, MlflowClient(uri)
    before.set_terminated(run_id, "FINISHED")
    asked = Asked(key, storage=store.root, tracking_uri=uri, register="har", alias="best")
    assert command(asked) == 0
    assert before.get_model_version_by_alias("har", "best").run_id == run_id
    run = before.get_run(run_id)
    assert run.info.status == "FINISHED" and len(run.outputs.model_outputs) == 1
    found = mlflow.pyfunc.load_model(f"models:/{run.outputs.model_outputs[0].model_id}")
    schema = found.metadata.signature
    assert schema.inputs.input_names() == [*MODALITIES] and schema.outputs.input_names() == list(predictor.classes)
    example = found.input_example
    assert found.predict(example).shape == (1, 27)
    signal = inertial.read_mat(files["imu"])
    row = example.assign(video=base64.b64encode(files["video"].read_bytes()).decode(), imu=[signal.tolist()])
    np.testing.assert_allclose(found.predict(row).to_numpy()[0], predict_files(predictor, files), atol=1e-5)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"register": "har"}, "--register har: needs --tracking-uri"),
        ({"alias": "best"}, "--alias best: needs --register"),
    ],
)
def test_a_name_in_no_registry_is_refused(given: dict[str, str], words: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=words):
        command(Asked("key", tmp_path / "model.onnx", tmp_path, **given))


@pytest.mark.long
def test_a_real_server_answers_with_what_predict_says(made: tuple, recordings: Path, tmp_path: Path) -> None:
    """Started outside of the project, without it on the path: the model brings its code."""
    store, keys = made
    folder = tmp_path / "model"
    script = [
        sys.executable,
        str(ROOT / "experiments/export.py"),
        "--run",
        keys["fusion"],
        "--storage",
        str(store.root),
    ]
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")}
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"  # MLflow looks for uvicorn there
    done = subprocess.run(
        [*script, "--out", str(folder)],
        env=env | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = ["models", "serve", "--model-uri", str(folder), "--env-manager", "local", "--port", str(port)]
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            [Path(sys.executable).parent / "mlflow", *words],
            cwd=tmp_path,
            env=env,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    film, mat = recordings / "RGB/a2_s2_t1_color.avi", recordings / "Inertial/a2_s2_t1_inertial.mat"
    try:
        deadline = time.monotonic() + 300
        while not answers(port, "ping"):
            assert server.poll() is None and time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(1)
        video, imu = base64.b64encode(film.read_bytes()).decode(), inertial.read_mat(mat).tolist()
        rows = [{"video": video, "imu": imu}, {"video": video, "imu": None}, {"video": None, "imu": imu}]
        status, text = ask(port, {"dataframe_records": rows})
        assert status == 200, text
        answer = json.loads(text)["predictions"]
        predictor = Predictor.of(store, keys["fusion"])
        for row, files in zip(answer, [{"video": film, "imu": mat}, {"video": film}, {"imu": mat}], strict=True):
            assert tuple(row) == predictor.classes
            np.testing.assert_allclose(list(row.values()), predict_files(predictor, files), atol=1e-5)
        status, text = ask(
            port, {"dataframe_records": [{"video": base64.b64encode(b"no video").decode(), "imu": None}]}
        )
        assert status >= 400 and "is no video that can be decoded" in text
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(60)


def answers(port: int, path: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=5) as found:
            return found.status == 200
    except OSError:
        return False


def ask(port: int, body: dict) -> tuple[int, str]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/invocations", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=120) as found:
            return found.status, found.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()

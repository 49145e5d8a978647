"""What a real MLflow server, or a proxy before it, refuses: one sentence that names the way out."""

import json
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from mlflow import MlflowClient

from experiments.track import Where, track
from orchestrator.storage.store import Store
from orchestrator.tracking.background import Background
from orchestrator.tracking.errors import is_elsewhere
from orchestrator.tracking.tracker import Tracker
from tests.orchestrator.tracking.test_server import answers
from tests.support.processes import started, wait_for
from tests.support.tracked import ABOUT, CLASSES, IMU, finish, train


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory, free_ports: Callable[[int], list[int]]) -> Iterator[int]:
    """Of a server whose clients write files themselves, to a folder that nobody can make."""
    folder, (port,) = tmp_path_factory.mktemp("server"), free_ports(1)
    words = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    words += ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"]
    words += ["--no-serve-artifacts", "--default-artifact-root", "/proc/mlruns"]
    # Without pytest's name for it: MLflow checks more of a database when it sees that.
    env = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    with started(words, folder / "log", env) as process:
        wait_for(lambda: answers(port), process, folder / "log")
        yield port
        process.terminate()
        process.wait(60)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "storage")
    store.run(IMU.key).begin(IMU)
    train(store, IMU, 1, 2)
    finish(store, IMU)
    return store


def lacking(uri: str, store: Store, plan: str) -> str:
    """What a start says in the end, and `track.py` as well."""
    about = ABOUT | {"plan": plan, "classes": CLASSES, "created": "now"}
    missing = Background(lambda: Tracker(uri, store, about), [IMU.key], uri).end("FINISHED", [], {})
    assert missing and "\n" not in missing
    return missing


@pytest.mark.long
def test_a_host_name_that_the_server_does_not_know(port: int, store: Store) -> None:
    said = lacking(f"http://127.1:{port}", store, "host")  # a name of 127.0.0.1 that MLflow doesn't take for it
    assert said.startswith(f"The server refuses to be called 127.1:{port} (403, Invalid Host header).")
    assert f"mlflow server --allowed-hosts '127.1:{port},localhost:*'" in said


@pytest.mark.long
def test_a_deleted_experiment(port: int, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = f"http://127.0.0.1:{port}"
    client = MlflowClient(uri)
    number = client.create_experiment("deleted")
    client.delete_experiment(number)
    said = lacking(uri, store, "deleted")
    assert said.startswith("The experiment deleted was deleted there, and takes nothing until")
    way_out = said.split("`")[1]
    assert way_out == f"MLFLOW_TRACKING_URI={uri} mlflow experiments restore --experiment-id {number}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    subprocess.run([sys.executable, "-m", *way_out.split()[1:]], check=True, capture_output=True)
    assert client.get_experiment(number).lifecycle_stage == "active"


@pytest.mark.long
def test_a_server_that_keeps_files_on_its_own_disk(port: int, store: Store) -> None:
    uri = f"http://127.0.0.1:{port}"
    said = lacking(uri, store, "files")
    assert "has its clients write files to /proc/mlruns" in said and "--artifacts-destination DIR" in said
    assert "mlflow experiments rename --experiment-id" in said and "--new-name files-without-files`" in said
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("files")
    assert experiment
    (run,) = client.search_runs([experiment.experiment_id], f"tags.key = '{IMU.key}'")
    assert run.data.metrics["test_k"] == 3 and run.info.status == "RUNNING", (
        "the curves are there, and it is tried again"
    )


def test_a_folder_of_another_machine_is_not_made_here(tmp_path: Path) -> None:
    assert is_elsewhere("http://lab:5000", "/srv/of/the/server/1")
    assert is_elsewhere("http://lab:5000", "file:///srv/of/the/server/1")
    assert not is_elsewhere("http://lab:5000", (tmp_path / "1").as_uri()), "both see it"
    assert not is_elsewhere("http://localhost:5000", "/srv/of/the/server/1")
    assert not is_elsewhere("http://lab:5000", "mlflow-artifacts:/1")
    assert not is_elsewhere("http://lab:5000", "s3://bucket/1")


class Answers(BaseHTTPRequestHandler):
    """A proxy that knows no way to any server, or a server that asks who is there."""

    status, body = 503, b"<html>\n<title>No way there</title></html>"

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    do_POST = do_GET

    def log_message(self, *words: object) -> None:
        """Not to the terminal."""


@pytest.fixture
def answering() -> Iterator[Callable[..., int]]:
    """Starts one and returns its port."""
    servers = []

    def start(context: ssl.SSLContext | None = None, **how: object) -> int:
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Answers", (Answers,), how))
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        servers.append(server)
        return server.server_address[1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_proxy_that_answers_for_this_machine(
    variable: str, store: Store, answering: Callable, free_ports: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name)
    proxy, uri = f"127.0.0.1:{answering()}", f"http://127.0.0.1:{free_ports(1)[0]}"
    monkeypatch.setenv(variable, f"http://me:s3cret@{proxy}")
    said = lacking(uri, store, "proxy")
    assert said.startswith(f"The request for 127.0.0.1 went to the proxy http://***@{proxy}, which {variable} names")
    assert said.endswith("Set NO_PROXY=127.0.0.1 to ask 127.0.0.1 directly.") and "s3cret" not in said
    monkeypatch.setenv("NO_PROXY", "lab")
    assert "Set NO_PROXY=lab,127.0.0.1 " in lacking(uri, store, "proxy")
    monkeypatch.setenv("NO_PROXY", "lab,127.0.0.1")
    assert lacking(uri, store, "proxy").startswith("No server answers there"), "the way out leads out"


def test_a_server_that_asks_who_is_there(store: Store, answering: Callable) -> None:
    said = lacking(f"http://127.0.0.1:{answering(status=401)}", store, "account")
    assert "(401). Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD" in said


def test_a_certificate_that_is_not_trusted(store: Store, answering: Callable, tmp_path: Path) -> None:
    words = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=lab -keyout key -out certificate"
    subprocess.run(words.split(), cwd=tmp_path, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate", tmp_path / "key")
    said = lacking(f"https://127.0.0.1:{answering(context)}", store, "certificate")
    assert said.startswith("The server's certificate isn't trusted here") and "MLFLOW_TRACKING_SERVER_CERT_PATH" in said


def test_nobody_is_there(store: Store, free_ports: Callable) -> None:
    assert lacking(f"http://127.0.0.1:{free_ports(1)[0]}", store, "nobody").startswith("No server answers there (")


def test_what_is_there_is_no_mlflow(store: Store, answering: Callable) -> None:
    said = lacking(f"http://127.0.0.1:{answering(status=404)}/mlflow", store, "another")
    assert said.startswith("What answers there is no MLflow, or has it at another path (") and "404" in said


@pytest.mark.long
def test_track_says_the_same(port: int, store: Store) -> None:
    (store.root / "reports/p").mkdir(parents=True)
    about = ABOUT | {"plan": "p", "classes": CLASSES, "created": "now", "runs": {}}
    (store.root / "reports/p/results.json").write_text(json.dumps(about))
    with pytest.raises(ValueError, match=rf"^MLflow at http://127.1:{port}: The server refuses to be called"):
        track(Where(f"http://127.1:{port}", store.root))

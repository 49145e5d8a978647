"""A real MLflow server behind a proxy that fails as servers do: nothing waits for it; in the end it has all, once."""

import http.client
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from experiments import track
from orchestrator.storage.store import Store
from orchestrator.tracking.background import Background
from orchestrator.tracking.tracker import Tracker
from tests.support.mlflow_view import seen_in
from tests.support.processes import results, runs, started, wait_for

pytestmark = pytest.mark.long


class Proxy:
    """whole | down (refuses) | 500 | late (hands on what is asked, and answers when nobody waits any more)"""

    def __init__(self, port: int):
        self.port, self.how, self.asked = port, "whole", 0
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.address = self.server.server_address
        self.uri = f"http://127.0.0.1:{self.address[1]}"
        self.listen()

    def listen(self) -> None:
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def turn(self, how: str) -> None:
        if how == "down":
            self.server.shutdown()
            self.server.server_close()
        elif self.how == "down":
            self.server = ThreadingHTTPServer(self.address, self.handler())
            self.listen()
        self.how, self.asked = how, 0

    def handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def hand_on(self) -> None:
                proxy.asked += 1
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, kind, answer = 500, "text/plain", b"out of order"
                if proxy.how != "500":
                    there = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=60)
                    there.request(self.command, self.path, body, {**self.headers, "Connection": "close"})
                    found = there.getresponse()
                    status, kind, answer = found.status, found.getheader("Content-Type") or "text/plain", found.read()
                    there.close()
                if proxy.how == "late":
                    time.sleep(4)
                try:
                    self.send_response(status)
                    self.send_header("Content-Type", kind)
                    self.send_header("Content-Length", str(len(answer)))
                    self.end_headers()
                    self.wfile.write(answer)
                except OSError:  # nobody waits for it any more
                    self.close_connection = True

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = hand_on

            def log_message(self, *words: object) -> None:
                """Not to the terminal."""

        return Handler


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a real one."""
    folder = tmp_path_factory.mktemp("server")
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as found:
        port = found.server_address[1]
    words = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    words += ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}", "--artifacts-destination", str(folder)]
    log = folder / "log"
    # Without pytest's name for it: MLflow checks more of a database when it sees that.
    env = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    with started(words, log, env) as process:
        wait_for(lambda: answers(port), process, log)
        yield port
        process.terminate()
        process.wait(60)


def answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


@pytest.fixture
def proxy(server: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """Nobody waits longer than a second for its answers."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    found = Proxy(server)
    yield found
    if found.how != "down":
        found.turn("down")


def fails_in_every_way(proxy: Proxy, until: Callable[[Callable[[], object]], None]) -> None:
    for how in ("late", "500", "late"):
        proxy.turn(how)
        until(lambda: proxy.asked >= 4)


def test_training_waits_for_no_server(
    grid_command: Callable, gave: Callable, undisturbed: tuple[Path, str], server: int, proxy: Proxy,
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:  # fmt: skip
    """Down from the start, then late and broken, down again at the end: told, and logged when it is back."""
    storage, log = tmp_path / "storage", tmp_path / "log"
    shutil.copytree(undisturbed[0] / "shards", storage / "shards")
    proxy.turn("down")
    command = grid_command(storage, "--only", "modalities", "video", "--tracking-uri", proxy.uri)
    with started(command, log) as driver:
        wait_for(lambda: runs(storage, "pending"), driver, log)
        fails_in_every_way(proxy, lambda what: wait_for(what, driver, log))
        proxy.turn("down")
        assert driver.wait(400) == 0, log.read_text()
    assert "lacks some of this" in log.read_text() and "experiments/track.py --storage" in log.read_text()
    assert gave(storage).items() <= gave(undisturbed[0]).items() and len(gave(storage)) == 1
    proxy.turn("whole")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")
    for _ in range(2):
        assert track.track(track.Where(proxy.uri, storage)) == 0
        seen_in(f"http://127.0.0.1:{server}", storage)


def test_what_a_server_that_fails_was_told_it_has_once(
    undisturbed: tuple[Path, str], server: int, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes runs and epochs and doesn't say so: they are sent again, and stand there once."""
    about = results(undisturbed[0]) | {"plan": "another"}
    proxy.turn("down")
    background = Background(lambda: Tracker(proxy.uri, Store(undisturbed[0]), about), list(about["runs"]))
    until(lambda: background.error)
    fails_in_every_way(proxy, until)
    proxy.turn("whole")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")
    assert background.end("FINISHED", [], {}) is None
    seen_in(f"http://127.0.0.1:{server}", undisturbed[0], "another")


def until(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)

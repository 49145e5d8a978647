"""MLflow kept up to date beside the training: at the end, and where no server answers in time."""

import threading
import time
from pathlib import Path

import pytest

from orchestrator.storage.store import Store
from orchestrator.tracking.background import Background
from orchestrator.tracking.tracker import Tracker
from tests.support.tracked import IMU, View, finish, train

# MLflow's own use of SQLAlchemy.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning")


def test_the_invocation_ends_with_the_report(view: View, tmp_path: Path, store: Store) -> None:
    for name in ("results.json", "report.html", "figure2.png"):
        (tmp_path / name).write_text("{}")
    store.run(IMU.key).begin(IMU)
    background = Background(view.tracker, [IMU.key, "never begun"])
    missing = background.end("FAILED", [tmp_path / "results.json", tmp_path / "report.html"], {"runs_done": 7})
    assert missing is None and background.tracker and not background.thread.is_alive()
    parent = view.client.get_run(background.tracker.parent)
    assert (parent.info.status, parent.data.metrics["runs_done"]) == ("FAILED", 7)
    files = view.client.list_artifacts(background.tracker.parent)
    assert {file.path for file in files} == {"results.json", "report.html", "plots"}
    (plot,) = view.client.list_artifacts(background.tracker.parent, "plots")
    assert plot.path == "plots/figure2.png"
    assert view.run(IMU.key).info.status == "RUNNING"


def test_a_dead_server_costs_nothing_but_its_record(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    store.run(IMU.key).begin(IMU)
    dead = View("http://127.0.0.1:1", "plan", store)
    background = Background(dead.tracker, [IMU.key])
    began = time.monotonic()
    missing = background.end("FINISHED", [], {})
    assert missing and "127.0.0.1" in missing
    assert time.monotonic() - began < 60


def test_what_a_server_missed_is_logged_later(view: View, store: Store) -> None:
    up = False

    def make() -> Tracker:
        if not up:
            raise ConnectionError("no server")
        return view.tracker()

    background = Background(make, [IMU.key])
    store.run(IMU.key).begin(IMU)
    train(store, IMU, 1, 5)
    finish(store, IMU)
    while not background.error:
        time.sleep(0.1)
    assert background.error == "ConnectionError: no server."
    up = True
    assert background.end("FINISHED", [], {}) is None
    assert (view.run(IMU.key).info.status, view.steps(IMU.key)) == ("FINISHED", [1, 2, 3, 4, 5])


def test_a_server_that_answers_too_slowly_is_not_waited_for(view: View, store: Store) -> None:
    release = threading.Event()

    def make() -> Tracker:
        release.wait(60)
        return view.tracker()

    background = Background(make, [IMU.key], patience=0.2)
    missing = background.end("FINISHED", [], {})
    assert missing == "Not all was logged within 0.2 s."
    release.set()
    background.thread.join(60)

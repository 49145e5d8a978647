"""MLflow as a view of made-up run folders, on a real sqlite file."""

import itertools
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from datasets.modalities import imu, video
from models.spec import EncoderSpec, HeadSpec, NetworkSpec
from orchestrator.plan.spec import DataSpec, Optimization, RunSpec
from orchestrator.storage import metrics
from orchestrator.storage.store import Store
from orchestrator.tracking.background import Background
from orchestrator.tracking.duplicates import keep_one
from orchestrator.tracking.tracker import Tracker
from tests.support.mlflow_view import SCORED, TRAINED

# MLflow's own use of SQLAlchemy.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning")

TAGS = {"corpus": "UTD-MHAD", "scale": "demo", "recipe": "paper", "protocol": "odd-even"}
TAGS |= {"protocol_text": "subjects 1 train, 2 test; last epoch; NOT CLEAN: recipe paper was chosen by subject 2"}
ABOUT = TAGS | {"video": "RGB", "modalities": {"imu": "IMU", "video": "RGB"}}
CLASSES = ["wave", "clap", "squat"]
STARTS = itertools.count()
OPTIMIZATION = Optimization(1e-3, 0, 8, epochs=450)
INPUTS = {"imu": imu.Input(100, 6), "video": video.Input(8, 32, 8, 32)}
ENCODERS = {"imu": EncoderSpec("cnn"), "video": EncoderSpec("s3d")}


def spec(stage: str, *read: str, seed: int = 3, objective: str = "classification", **given: Any) -> RunSpec:
    """Of a stage on these modalities; what is given further is of its data, and its parents."""
    parents = given.pop("parents", {})
    data = DataSpec("5f0c", {modality: INPUTS[modality] for modality in read}, **given)
    head = HeadSpec(1024, finetuned={"video": ("Mixed_4c", "Mixed_5c")} if parents else {})
    network = NetworkSpec({modality: ENCODERS[modality] for modality in read}, head, objective)
    return RunSpec(stage, network, data, OPTIMIZATION, seed, parents=parents)


IMU = spec("imu", "imu", ratio=0.5, hidden={"imu": (1, 2)})
PARENTS = {"imu": IMU.key, "video": "b2" * 8}
FUSION = spec("fusion", "imu", "video", hidden={"imu": (1,)}, parents=PARENTS)
PRETRAINED = spec("pretraining", "imu", "video", objective="contrastive")


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One file for all: making its tables takes seconds. Each test has a plan, so an experiment, of its own."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.chdir(tmp_path)
    return Store(tmp_path / "storage")


class View:
    """A plan in MLflow, as one who looks sees it."""

    def __init__(self, uri: str, plan: str, store: Store):
        self.uri, self.plan, self.store, self.client = uri, plan, store, MlflowClient(uri)

    def tracker(self, created: str | None = None) -> Tracker:
        """Of another start each time, unless it is told which."""
        about = ABOUT | {"plan": self.plan, "classes": CLASSES, "created": created or f"start {next(STARTS)}"}
        return Tracker(self.uri, self.store, about)

    def runs(self, key: str) -> list[Run]:
        experiment = self.client.get_experiment_by_name(self.plan)
        assert experiment
        return list(self.client.search_runs([experiment.experiment_id], f"tags.key = '{key}'"))

    def run(self, key: str) -> Run:
        (only,) = self.runs(key)
        return only

    def steps(self, key: str, metric: str = "loss") -> list[int]:
        return [m.step for m in self.client.get_metric_history(self.run(key).info.run_id, metric)]


@pytest.fixture
def view(uri: str, store: Store, request: pytest.FixtureRequest) -> View:
    return View(uri, request.node.name, store)


def train(store: Store, spec: RunSpec, first: int, last: int) -> None:
    for epoch in range(first, last + 1):
        row = {"epoch": epoch, "loss": 1 / epoch, "train_top1": 0.5, "seconds": 0.1}
        store.run(spec.key).append_history(row)


def finish(store: Store, spec: RunSpec) -> None:
    folder = store.run(spec.key)
    labels, predicted = np.array([0, 1, 2, 2]), np.array([0, 1, 1, 2])
    table = {"label": labels, "predicted": predicted, "probabilities": list(np.eye(3)[predicted])}
    folder.write_predictions(pa.table(table))
    folder.write_metrics(metrics.score_run(folder))
    folder.finish(1.5)


def test_a_run_appears_with_what_it_is(view: View, store: Store) -> None:
    tracker = view.tracker()
    tracker.sync(IMU.key)
    assert not view.runs(IMU.key), "there is no run folder yet"
    for spec in (IMU, FUSION):
        store.run(spec.key).begin(spec)
        tracker.sync(spec.key)
    run = view.run(IMU.key)
    tags = {"key": IMU.key, "stage": "imu", "ratio": "0.5", "hidden": "2", "seed": "3"} | TAGS
    tags |= {"modality": "imu", "hidden_from": "imu", "name": IMU.name, "shows": "IMU + RGB"}
    (data,) = run.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("UTD-MHAD", "5f0c")
    assert run.data.tags.items() >= tags.items()
    assert run.data.tags["mlflow.parentRunId"] == tracker.parent
    assert (run.info.status, run.info.run_name) == ("RUNNING", "IMU*, 50 % of the data, 2 classes hidden, seed 3")
    params = {"network.head.hidden": "1024", "data.ratio": "0.5", "data.hidden.imu": "[1, 2]", "seed": "3"}
    assert run.data.params.items() >= (params | {"optimization.lr": "0.001", "workers": "1"}).items()
    fusion = view.run(FUSION.key).data.tags
    assert fusion.items() >= {"stage": "fusion", "parent.imu": IMU.key, "parent.video": "b2" * 8, "hidden": "1"}.items()
    assert fusion["modality"] == "imu+video"
    parent = view.client.get_run(tracker.parent)
    assert parent.data.tags.items() >= TAGS.items() and "mlflow.parentRunId" not in parent.data.tags


def test_curves_have_each_epoch_once_also_after_a_restart(view: View, store: Store) -> None:
    store.run(IMU.key).begin(IMU)
    tracker = view.tracker()
    logged = 0
    # More than MLflow takes at a time; nothing new; a second start; one that finds the run cut back to a checkpoint.
    for upto in (3, 420, 420):
        train(store, IMU, logged + 1, upto)
        tracker.sync(IMU.key)
        logged = upto
        assert view.steps(IMU.key) == list(range(1, upto + 1))
    train(store, IMU, 421, 430)
    again = view.tracker()
    again.sync(IMU.key)
    store.run(IMU.key).cut_history(400)
    again.sync(IMU.key)
    train(store, IMU, 401, 450)
    again.sync(IMU.key)
    for metric in ("loss", "train_top1", "seconds"):
        assert view.steps(IMU.key, metric) == list(range(1, 451))
    assert view.run(IMU.key).data.metrics["loss"] == pytest.approx(1 / 450)
    assert again.parent != tracker.parent


def test_a_done_run_has_its_results_and_is_left_alone(view: View, store: Store) -> None:
    store.run(IMU.key).begin(IMU)
    train(store, IMU, 1, 2)
    tracker = view.tracker()
    tracker.sync(IMU.key)
    finish(store, IMU)
    tracker.sync(IMU.key)
    run = view.run(IMU.key)
    assert run.info.status == "FINISHED"
    expected = {"test_top1": 0.75, "test_k": 3, "test_n": 4, "test_top1_seen": 1, "test_top1_hidden": 2 / 3}
    assert {name: run.data.metrics[name] for name in expected} == pytest.approx(expected)
    files = {file.path: file.file_size or 0 for file in view.client.list_artifacts(run.info.run_id)}
    assert set(files) == TRAINED | SCORED
    assert all(size > 0 for size in files.values())
    for later in (tracker, view.tracker()):
        later.sync(IMU.key)
        assert view.run(IMU.key).info.end_time == run.info.end_time
        assert view.steps(IMU.key, "test_top1") == [0]


def test_a_stage_without_a_classifier_has_its_curve_and_no_scores(view: View, store: Store) -> None:
    folder = store.run(PRETRAINED.key).begin(PRETRAINED)
    for epoch in (1, 2):
        folder.append_history({"epoch": epoch, "loss": 1 / epoch, "seconds": 0.1})
    folder.finish(1.5)
    for _ in range(2):
        view.tracker().sync(PRETRAINED.key)
    run = view.run(PRETRAINED.key)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "IMU + RGB, contrastive, seed 3")
    assert view.steps(PRETRAINED.key) == [1, 2]
    assert run.data.metrics.keys() == {"loss", "seconds", "seconds_all"}
    assert {file.path for file in view.client.list_artifacts(run.info.run_id)} == {"spec.json", "curves.svg"}


def test_artifacts_lie_in_the_storage(view: View, store: Store, tmp_path: Path) -> None:
    store.run(IMU.key).begin(IMU)
    finish(store, IMU)
    view.tracker().sync(IMU.key)
    assert list((store.root / "mlartifacts").rglob("confusion.svg"))
    assert {path.name for path in tmp_path.iterdir()} == {"storage"}, "nothing where the command was given"


def test_a_failed_run_says_why_and_can_still_end_well(view: View, store: Store) -> None:
    folder = store.run(IMU.key)
    folder.begin(IMU)
    train(store, IMU, 1, 2)
    folder.save("checkpoint", {"epoch": 2})
    folder.fail("FloatingPointError: the loss isn't finite", "Traceback")
    view.tracker().sync(IMU.key)
    run = view.run(IMU.key)
    assert (run.info.status, run.data.tags["reason"]) == ("FAILED", "FloatingPointError: the loss isn't finite")
    # The next start tries it again; its tracker has looked at the run before the run begins.
    tracker = view.tracker()
    tracker.sync(IMU.key)
    folder.begin(IMU)
    train(store, IMU, 3, 4)
    tracker.sync(IMU.key)
    assert (view.run(IMU.key).info.status, view.steps(IMU.key)) == ("RUNNING", [1, 2, 3, 4])
    finish(store, IMU)
    tracker.sync(IMU.key)
    run = view.run(IMU.key)
    assert (run.info.status, run.data.metrics["test_k"]) == ("FINISHED", 3)
    assert "reason" not in run.data.tags, "of a run that ended well"


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


def test_two_that_log_beside_each_other_share_a_run(view: View, store: Store) -> None:
    """A driver, and track.py on its storage: whatever the other has logged meanwhile stands there once."""
    store.run(IMU.key).begin(IMU)
    driver, track = view.tracker(), view.tracker()
    for tracker in (track, driver):
        tracker.sync(IMU.key)
    for epoch in (1, 2, 3):
        store.run(IMU.key).append_history({"epoch": epoch, "loss": 1 / epoch, "seconds": 0.1, "ended": 1e9 + epoch})
    finish(store, IMU)
    for tracker in (driver, track, view.tracker()):
        tracker.sync(IMU.key)
    there = view.run(IMU.key)
    assert (there.info.status, view.steps(IMU.key)) == ("FINISHED", [1, 2, 3])
    assert there.outputs and len(there.outputs.model_outputs) == 1


def test_of_two_runs_the_finished_one_is_kept_or_the_one_in_use(view: View, store: Store) -> None:
    """A client that got no answer in time has made the first, and then its own."""
    store.run(IMU.key).begin(IMU)
    tracker = view.tracker()
    first = view.client.create_run(tracker.experiment, tags={"key": IMU.key}).info.run_id
    own = view.client.create_run(tracker.experiment, tags={"key": IMU.key}).info.run_id
    tracker.runs[IMU.key] = own
    tracker.unsure.add(IMU.key)
    tracker.sync(IMU.key)
    assert view.run(IMU.key).info.run_id == own
    view.client.restore_run(first)
    view.client.set_terminated(first, "FINISHED")
    assert keep_one(view.client, tracker.experiment, "key", IMU.key, own)
    assert view.run(IMU.key).info.run_id == first


def test_a_run_that_fails_again_while_the_server_is_away_says_why(view: View, store: Store) -> None:
    store.run(IMU.key).begin(IMU)
    store.run(IMU.key).fail("the first time", "Traceback")
    tracker = view.tracker()
    tracker.sync(IMU.key)
    store.run(IMU.key).begin(IMU)
    client, tracker.client = tracker.client, MlflowClient("http://127.0.0.1:1")
    with pytest.raises(MlflowException):
        tracker.sync(IMU.key)
    train(store, IMU, 1, 2)
    store.run(IMU.key).fail("the second time", "Traceback")
    tracker.client = client
    tracker.sync(IMU.key)
    run = view.run(IMU.key)
    assert (run.info.status, run.data.tags["reason"], view.steps(IMU.key)) == ("FAILED", "the second time", [1, 2])


def test_what_an_earlier_try_left_out_of_a_run_is_added(view: View, store: Store) -> None:
    """The server made the run and its model, but the next answer didn't come."""
    tracker = view.tracker()
    tags = {"key": IMU.key, "mlflow.parentRunId": tracker.parent}
    run = view.client.create_run(tracker.experiment, tags=tags)
    view.client.create_logged_model(tracker.experiment, "imu", run.info.run_id, {"key": IMU.key})
    store.run(IMU.key).begin(IMU)
    train(store, IMU, 1, 3)
    finish(store, IMU)
    view.tracker().sync(IMU.key)
    there = view.run(IMU.key)
    assert there.info.run_id == run.info.run_id and there.data.params["seed"] == "3"
    assert there.inputs and there.inputs.dataset_inputs and there.outputs
    [model] = view.client.search_logged_models([tracker.experiment], f"tags.key = '{IMU.key}'")
    assert [output.model_id for output in there.outputs.model_outputs] == [model.model_id]
    assert model.status == "READY"


def test_a_start_is_found_again_by_when_it_began(view: View, store: Store) -> None:
    first, again, other = (
        view.tracker(created) for created in ("2026-11-22T10:00:00Z", "2026-11-22T10:00:00Z", "2026-11-22T10:00:01Z")
    )
    assert first.parent == again.parent != other.parent
    for tracker in (first, again):
        tracker.end("FINISHED", [], {"runs_done": 1})
    assert [m.value for m in view.client.get_metric_history(first.parent, "runs_done")] == [1]

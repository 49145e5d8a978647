"""A plan's stages as models in a real MLflow: what a run made, what it started from, and its scores."""

import json
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts

from orchestrator.plan.spec import RunSpec
from orchestrator.storage.store import Store
from orchestrator.tracking import artifacts
from orchestrator.tracking.tracker import Tracker
from tests.support.tracked import ABOUT, CLASSES, finish, spec, train

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning")
ALONE = [spec("imu", "imu"), spec("video", "video")]
FUSION = spec("fusion", "imu", "video", parents={one.stage: one.key for one in ALONE})
RUNS = [*ALONE, FUSION]


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tracker, Store]:
    """Two stages, logged by two starts of which the second tries the last run again."""
    folder = tmp_path_factory.mktemp("graph")
    store, about = Store(folder / "storage"), ABOUT | {"plan": "full_grid", "classes": CLASSES, "created": "now"}
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    tracker = Tracker(uri, store, about)
    for run in RUNS:
        store.run(run.key).begin(run)
        train(store, run, 1, 2)
        finish(store, run)
        tracker.sync(run.key)
    tracker.client.update_run(tracker.runs[FUSION.key], status="RUNNING")
    again = Tracker(uri, store, about)
    again.sync(FUSION.key)
    return tracker, store


def model(client: MlflowClient, tracker: Tracker, run: RunSpec):
    (only,) = client.search_logged_models([tracker.experiment], f"tags.key = '{run.key}'")
    return only


def test_a_run_has_its_model_and_starts_from_its_parents(logged: tuple[Tracker, Store]):
    tracker, _ = logged
    models = {run.key: model(tracker.client, tracker, run) for run in RUNS}
    for run in RUNS:
        there = tracker.client.get_run(tracker.runs[run.key])
        assert [output.model_id for output in there.outputs.model_outputs] == [models[run.key].model_id]
        parents = {models[key].model_id for key in run.parents.values()}
        given = [given.model_id for given in there.inputs.model_inputs]
        assert set(given) == parents and len(given) == len(parents), "each once"
        assert models[run.key].status == "READY" and models[run.key].source_run_id == there.info.run_id
    assert models[FUSION.key].params.items() >= {"reads": "imu+video", "imu_encoder": "cnn"}.items()


def test_no_weights_are_copied(logged: tuple[Tracker, Store]):
    tracker, store = logged
    assert tracker.client.list_logged_model_artifacts(model(tracker.client, tracker, FUSION).model_id) == []
    assert not list((store.root / "mlartifacts").rglob("model.pt"))


def test_scores_name_the_model_and_the_recordings(logged: tuple[Tracker, Store]):
    tracker, _ = logged
    scores = {metric.key: metric for metric in model(tracker.client, tracker, FUSION).metrics}
    assert scores["test_top1"].value == pytest.approx(0.75)
    assert (scores["test_top1"].dataset_name, scores["test_top1"].dataset_digest) == ("UTD-MHAD", "5f0c")
    assert not any(name.startswith("seconds") for name in scores)


def test_predictions_are_a_table_that_mlflow_reads(logged: tuple[Tracker, Store], tmp_path: Path):
    tracker, _ = logged
    run_id = tracker.runs[FUSION.key]
    [tag] = json.loads(tracker.client.get_run(run_id).data.tags["mlflow.loggedArtifacts"])
    assert tag == {"path": artifacts.PREDICTIONS, "type": "table"}
    file = download_artifacts(run_id=run_id, artifact_path=artifacts.PREDICTIONS, dst_path=str(tmp_path),
                              tracking_uri=tracker.uri)  # fmt: skip
    table = json.loads(Path(file).read_text())
    assert table["columns"] == ["class", "predicted", "confidence", "right"]
    assert table["data"] == [["wave", "wave", 1.0, True], ["clap", "clap", 1.0, True],
                             ["squat", "clap", 1.0, False], ["squat", "squat", 1.0, True]]  # fmt: skip
    mlflow.set_tracking_uri(tracker.uri)  # it asks the one that is set, whosever client it is
    try:
        read = tracker.client.load_table(tracker.experiment, artifacts.PREDICTIONS, [run_id])
    finally:
        mlflow.set_tracking_uri(None)
    assert read["right"].tolist() == [True, True, False, True]

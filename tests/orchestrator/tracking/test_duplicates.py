"""Each run and each start is in MLflow once and whole, also where answers were lost or two programs log."""

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from orchestrator.storage.store import Store
from orchestrator.tracking.duplicates import keep_one
from tests.support.tracked import IMU, View, finish, train

# MLflow's own use of SQLAlchemy.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning")


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

"""MLflow as a view of made-up run folders, on a real sqlite file."""

from pathlib import Path

import pytest

from orchestrator.storage.store import Store
from tests.support.mlflow_view import SCORED, TRAINED
from tests.support.tracked import FUSION, IMU, PRETRAINED, TAGS, View, finish, train

# MLflow's own use of SQLAlchemy.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning")


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

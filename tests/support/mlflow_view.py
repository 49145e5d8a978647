"""What one who looks into MLflow sees of a storage."""

from pathlib import Path

from mlflow import MlflowClient

from orchestrator.storage.store import Store
from tests.support.processes import done

# What MLflow has of each run, and more of one with a classifier.
TRAINED = {"spec.json", "curves.svg"}
SCORED = {"predictions.parquet", "predictions.json", "metrics.json", "confusion.svg"}


def seen_in(uri: str, storage: Path, plan: str = "full_grid") -> None:
    """Each run of the storage is there once, whole, with each epoch once."""
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(plan)
    assert experiment
    found = client.search_runs([experiment.experiment_id], max_results=100)
    assert len({run.data.tags["begun"] for run in found if "begun" in run.data.tags}) == len(found) - len(done(storage))
    nested = [run for run in found if "key" in run.data.tags]
    assert sorted(run.data.tags["key"] for run in nested) == sorted(done(storage))
    for run in nested:
        folder = Store(storage).run(run.data.tags["key"])
        steps = [m.step for m in client.get_metric_history(run.info.run_id, "loss")]
        assert steps == [row["epoch"] for row in folder.history()]
        assert run.info.status == "FINISHED"
        scored = folder.spec.classifies
        assert run.data.metrics.get("test_top1") == (folder.record("metrics")["top1"] if scored else None)
        assert run.data.tags["scale"] == "demo"
        assert run.data.tags.get("device") == folder.record("device").get("device")
        files = {file.path for file in client.list_artifacts(run.info.run_id)}
        assert files == TRAINED | (SCORED if scored else set())


def seen(storage: Path, plan: str = "full_grid") -> None:
    seen_in(f"sqlite:///{storage / 'mlflow.db'}", storage, plan)


def statuses(storage: Path, plan: str = "full_grid") -> dict[str, tuple[str, str | None]]:
    """By stage, of a storage with one run of each: MLflow's status, and the reason it was given."""
    client = MlflowClient(f"sqlite:///{storage / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(plan)
    assert experiment
    nested = [run for run in client.search_runs([experiment.experiment_id]) if "key" in run.data.tags]
    found = {run.data.tags["stage"]: (run.info.status, run.data.tags.get("reason")) for run in nested}
    assert len(found) == len(nested)
    return found

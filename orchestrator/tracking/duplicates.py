"""A client that got no answer in time asks again, and MLflow may then have a run twice: one of them is kept."""

from mlflow import MlflowClient
from mlflow.entities import Run


def keep_one(client: MlflowClient, experiment: str, tag: str, value: str, used: str | None = None) -> Run | None:
    """The run with this tag. Of several the finished one is kept, else the one that is `used` (its run id), else the
    first; the others are deleted."""
    order = ["attributes.start_time ASC", "attributes.run_id ASC"]
    found = client.search_runs([experiment], f"tags.{tag} = '{value}'", max_results=100, order_by=order)
    ranked = sorted(found, key=lambda run: (run.info.status != "FINISHED", run.info.run_id != used))
    for run in ranked[1:]:
        client.delete_run(run.info.run_id)
    return ranked[0] if ranked else None

"""The stages of a plan as MLflow's models: a run's network is its output, and those it started from are its inputs.

A model here is a name, tags and scores. Its weights stay in the run folder; `experiments/export.py --tracking-uri` logs
a model that holds them.
"""

from mlflow import MlflowClient
from mlflow.entities import LoggedModel, LoggedModelInput, LoggedModelOutput

from orchestrator.plan.spec import RunSpec


def log(client: MlflowClient, experiment: str, run_id: str, spec: RunSpec) -> str:
    """Log the run's model and those of its parents that the experiment has; returns the model's id.

    Again for the same run it adds only what is missing.
    """
    model = find(client, experiment, spec.key) or _create(client, experiment, run_id, spec)
    there = client.get_run(run_id)
    if model.model_id not in {output.model_id for output in there.outputs.model_outputs}:  # pyright: ignore
        client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
    known = {given.model_id for given in there.inputs.model_inputs}  # pyright: ignore
    parents = [found for key in spec.parents.values() if (found := find(client, experiment, key))]
    if new := [LoggedModelInput(parent.model_id) for parent in parents if parent.model_id not in known]:
        client.log_inputs(run_id, models=new)
    return model.model_id


def find(client: MlflowClient, experiment: str, key: str) -> LoggedModel | None:
    """The model of a run's key; the first of two that a client made which got no answer in time."""
    order = [{"field_name": "creation_timestamp", "ascending": True}]
    found = client.search_logged_models([experiment], f"tags.key = '{key}'", max_results=1, order_by=order)
    return next(iter(found), None)


def _create(client: MlflowClient, experiment: str, run_id: str, spec: RunSpec) -> LoggedModel:
    params = {"reads": "+".join(spec.modalities), "seed": str(spec.seed)}
    params |= {f"{name}_encoder": encoder.name for name, encoder in spec.network.encoders.items()}
    name = f"{spec.stage}-{spec.key[:8]}"
    made = client.create_logged_model(experiment, name, run_id, {"key": spec.key}, params, model_type=spec.stage)
    return client.finalize_logged_model(made.model_id, "READY")

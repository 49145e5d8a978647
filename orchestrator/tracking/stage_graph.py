"""The stages of a plan as MLflow's models: a run's network is its output, and those it started from are its inputs.

A model here is a name, tags and scores. Its weights stay in the run folder; `experiments/export.py --tracking-uri` logs
a model that holds them.
"""

from mlflow import MlflowClient
from mlflow.entities import LoggedModelInput, LoggedModelOutput, LoggedModelStatus

from orchestrator.plan.spec import RunSpec


def log(client: MlflowClient, experiment: str, run_id: str, spec: RunSpec, models: dict[str, str], new: bool) -> str:
    """Log the run's model and those of its parents that the experiment has; returns the model's id.

    `models` are ids by a run's key, to which those that are found or made are added. MLflow is asked what it has of a
    run, unless that is `new`.
    """
    outputs = None if new else client.get_run(run_id).outputs
    if outputs and outputs.model_outputs:
        model = outputs.model_outputs[0].model_id
    else:
        model = (None if new else find(client, experiment, spec.key)) or _create(client, experiment, run_id, spec)
        client.log_outputs(run_id, [LoggedModelOutput(model, step=0)])
    models[spec.key] = model
    for key in spec.parents.values():
        if key not in models and (parent := find(client, experiment, key)):
            models[key] = parent
    if given := [LoggedModelInput(models[key]) for key in spec.parents.values() if key in models]:
        client.log_inputs(run_id, models=given)
    return model


def find(client: MlflowClient, experiment: str, key: str) -> str | None:
    """The model of a run's key; the first of two that a client made which got no answer in time."""
    order = [{"field_name": "creation_timestamp", "ascending": True}]
    for found in client.search_logged_models([experiment], f"tags.key = '{key}'", max_results=1, order_by=order):
        if found.status != LoggedModelStatus.READY:
            client.finalize_logged_model(found.model_id, "READY")
        return found.model_id
    return None


def _create(client: MlflowClient, experiment: str, run_id: str, spec: RunSpec) -> str:
    params = {"reads": "+".join(spec.modalities), "seed": str(spec.seed)}
    params |= {f"{name}_encoder": encoder.name for name, encoder in spec.network.encoders.items()}
    name = f"{spec.stage}-{spec.key[:8]}"
    made = client.create_logged_model(experiment, name, run_id, {"key": spec.key}, params, model_type=spec.stage)
    return client.finalize_logged_model(made.model_id, "READY").model_id

"""The stages of a plan as MLflow's models: a run's network is its output, and those it started from are its inputs.

A model here is a name, tags and scores. Its weights stay in the run folder; `experiments/export.py --tracking-uri` logs
a model that holds them.
"""

from collections.abc import MutableMapping

from mlflow import MlflowClient
from mlflow.entities import LoggedModel, LoggedModelInput, LoggedModelOutput

from orchestrator.plan.spec import RunSpec


def log(
    client: MlflowClient, experiment: str, run_id: str, spec: RunSpec, models: MutableMapping[str, str], fresh: bool
) -> str:
    """Log the run's model and those of its parents that the experiment has; returns the model's id.

    `models` collects the ids by key, so that no parent is looked for twice. A `fresh` run has nothing of it in MLflow;
    for another only what is missing is added.
    """
    if fresh:
        model, logged, known = None, set(), set()
    else:
        there, model = client.get_run(run_id), find(client, experiment, spec.key)
        logged = {output.model_id for output in there.outputs.model_outputs}  # pyright: ignore
        known = {given.model_id for given in there.inputs.model_inputs}  # pyright: ignore
    models[spec.key] = (model or _create(client, experiment, run_id, spec)).model_id
    if models[spec.key] not in logged:
        client.log_outputs(run_id, [LoggedModelOutput(models[spec.key], step=0)])
    for key in set(spec.parents.values()) - models.keys():
        if found := find(client, experiment, key):
            models[key] = found.model_id
    parents = [models[key] for key in dict.fromkeys(spec.parents.values()) if key in models]
    if new := [LoggedModelInput(parent) for parent in parents if parent not in known]:
        client.log_inputs(run_id, models=new)
    return models[spec.key]


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

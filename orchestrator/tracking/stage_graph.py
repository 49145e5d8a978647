"""The stages of a plan as MLflow's models: a run's network is its output, and those it started from are its inputs.

A model here is a name, tags and scores. Its weights stay in the run folder; `experiments/export.py --tracking-uri` logs
a model that holds them.
"""

from mlflow import MlflowClient
from mlflow.entities import LoggedModel, LoggedModelInput, LoggedModelOutput, Run

from orchestrator.plan.spec import RunSpec


def log(client: MlflowClient, experiment: str, run: Run, spec: RunSpec, known: dict[str, str]) -> str:
    """Log the run's model and those of its parents that the experiment has; returns the model's id.

    `known` are ids of models by key: the run's own, if it was logged before, and whatever else; it is added to.
    """
    if spec.key not in known:
        known[spec.key] = _create(client, experiment, run.info.run_id, spec).model_id
    model = known[spec.key]
    # A run that was made just now comes without outputs.
    if model not in {output.model_id for output in (run.outputs.model_outputs if run.outputs else ())}:
        client.log_outputs(run.info.run_id, [LoggedModelOutput(model, step=0)])
    there = {given.model_id for given in run.inputs.model_inputs}  # pyright: ignore
    for key in spec.parents.values():
        look_up(client, experiment, key, known)
    parents = [known[key] for key in spec.parents.values() if key in known]
    if new := [LoggedModelInput(parent) for parent in parents if parent not in there]:
        client.log_inputs(run.info.run_id, models=new)
    return model


def look_up(client: MlflowClient, experiment: str, key: str, known: dict[str, str]) -> None:
    """Add the model of a run's key to `known`, if MLflow has it; the first of two that a client made which got no
    answer in time."""
    if key not in known:
        order = [{"field_name": "creation_timestamp", "ascending": True}]
        found = client.search_logged_models([experiment], f"tags.key = '{key}'", max_results=1, order_by=order)
        if found:
            known[key] = found[0].model_id


def _create(client: MlflowClient, experiment: str, run_id: str, spec: RunSpec) -> LoggedModel:
    params = {"reads": "+".join(spec.modalities), "seed": str(spec.seed)}
    params |= {f"{name}_encoder": encoder.name for name, encoder in spec.network.encoders.items()}
    name = f"{spec.stage}-{spec.key[:8]}"
    made = client.create_logged_model(experiment, name, run_id, {"key": spec.key}, params, model_type=spec.stage)
    return client.finalize_logged_model(made.model_id, "READY")

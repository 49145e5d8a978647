"""What MLflow's page of an experiment offers as it opens: views by name, with the columns that tell runs apart.

MLflow keeps a view that somebody saves there as a tag of the experiment; these are written the same way.
"""

import json
from collections.abc import Iterable, Mapping

from orchestrator.plan.spec import RunSpec
from orchestrator.report import labels

COLUMNS = {
    "metrics": ("test_top1", "test_f1", "test_top1_seen", "test_top1_hidden", "test_harmonic"),
    "tags": ("modality", "stage", "ratio", "hidden", "seed", "protocol", "recipe", "scale"),
}
ORDER = "metrics.`test_top1`"  # by a score MLflow lists the runs; by time it would fold them away under their start
VIEWS = {
    "results": ("All results", "tags.modality LIKE '%'"),
    "table2": ("Table 2: all the data, nothing hidden", "tags.ratio = '1' and tags.hidden = '0'"),
    "figure2": ("Figure 2: less training data", "tags.hidden = '0'"),
    "figure3": ("Figure 3: classes hidden", "tags.hidden != '0'"),
}
TEXT = """{links}

The plan `{plan}`: a start is a run with the report among its artifacts, and the training runs it asked for are nested in it.
Filter by `tags.modality` (as `'{examples}'`), `tags.stage`, `tags.ratio`, `tags.hidden` (classes), `tags.hidden_from`, `tags.seed`.
`loss` and `train_top1` are curves over epochs; `test_top1` and the like stand once, at the end."""  # noqa: E501


def tags(plan: str, experiment: str, modalities: Iterable[str]) -> dict[str, str]:
    """Of an experiment on these modalities. Its kind keeps MLflow from opening it as one of traces and judges."""
    columns = [f"{kind}.`{name}`" for kind, names in COLUMNS.items() for name in names]
    out = {"mlflow.experimentKind": "custom_model_development"}
    for number, (key, (name, query)) in enumerate(VIEWS.items()):
        state = {"searchFilter": query, "selectedColumns": columns, "orderByKey": ORDER, "orderByAsc": False}
        view = {"name": name, "createdAt": number, "updatedAt": number, "state": json.dumps(state)}
        out[f"mlflow.sharedViewState.{key}"] = json.dumps(view)
    page = f"#/experiments/{experiment}/runs?workflowType=machine_learning&viewStateShareKey="
    links = " · ".join(f"[{name}]({page}{key})" for key, (name, _) in VIEWS.items())
    return out | {
        "mlflow.note.content": TEXT.format(
            plan=plan, links=links, examples="', '".join([*modalities, "+".join(modalities)])
        )
    }


def of_run(spec: RunSpec) -> dict[str, str]:
    """Tags to filter by."""
    hidden = {name: len(classes) for name, classes in spec.data.hidden.items() if classes}
    return {
        "modality": "+".join(spec.modalities),
        "stage": spec.stage,
        "ratio": f"{spec.data.ratio:g}",
        "hidden": str(max(hidden.values(), default=0)),
        "hidden_from": next(iter(hidden), "nothing"),
        "seed": str(spec.seed),
        "name": spec.name,
    }


def title(spec: RunSpec, names: Mapping[str, str]) -> str:
    """For people who haven't read a line of this: "Depth* + Skeleton, 3 classes hidden, seed 0"."""
    star, hidden = next(((m, len(classes)) for m, classes in spec.data.hidden.items() if classes), ("", 0))
    words = [labels.reading(names, list(spec.modalities), star)]
    words += [] if spec.classifies else [spec.network.objective]
    if spec.data.ratio < 1:
        words.append(f"{100 * spec.data.ratio:g} % of the data")
    if hidden:
        words.append(f"{hidden} {'class' if hidden == 1 else 'classes'} hidden")
    # What else sets it apart stands in its name, between its stage and its seed.
    told = {spec.stage, "+".join(spec.modalities)}
    rest = [word for word in spec.name.split()[:-1] if word not in told and "*=" not in word]
    rest = [word.replace("tested=", "tested on ") for word in rest if not word.startswith("ratio=")]
    return ", ".join([*words, *rest, f"seed {spec.seed}"])

"""What MLflow's page of an experiment offers as it opens: views by name, with the columns that tell runs apart.

MLflow keeps a view that somebody saves there as a tag of the experiment; these are written the same way.
"""

import json

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
Filter by `tags.modality = 'imu'` (`'video'`, `'imu+video'`), `tags.stage`, `tags.ratio`, `tags.hidden` (classes), `tags.hidden_from`, `tags.seed`.
`loss` and `train_top1` are curves over epochs; `test_top1` and the like stand once, at the end."""  # noqa: E501


def tags(plan: str, experiment: str) -> dict[str, str]:
    """Of an experiment. Its kind keeps MLflow from opening it as one of traces and judges."""
    columns = [f"{kind}.`{name}`" for kind, names in COLUMNS.items() for name in names]
    out = {"mlflow.experimentKind": "custom_model_development"}
    for number, (key, (name, query)) in enumerate(VIEWS.items()):
        state = {"searchFilter": query, "selectedColumns": columns, "orderByKey": ORDER, "orderByAsc": False}
        view = {"name": name, "createdAt": number, "updatedAt": number, "state": json.dumps(state)}
        out[f"mlflow.sharedViewState.{key}"] = json.dumps(view)
    page = f"#/experiments/{experiment}/runs?workflowType=machine_learning&viewStateShareKey="
    links = " · ".join(f"[{name}]({page}{key})" for key, (name, _) in VIEWS.items())
    return out | {"mlflow.note.content": TEXT.format(plan=plan, links=links)}


def of_run(spec: RunSpec) -> dict[str, str]:
    """Tags to filter by."""
    hidden = {"imu": len(spec.data.hidden_imu), "video": len(spec.data.hidden_video)}
    return {
        "modality": "imu+video" if spec.kind == "fusion" else spec.kind,
        "stage": "2" if spec.parents else "1",
        "ratio": f"{spec.data.ratio:g}",
        "hidden": str(max(hidden.values())),
        "hidden_from": next((name for name, count in hidden.items() if count), "nothing"),
        "seed": str(spec.seed),
        "name": spec.name,
    }


def title(spec: RunSpec, video: str) -> str:
    """For people who haven't read a line of this: "IMU* + Depth, 3 classes hidden, seed 0"."""
    about, hidden = {"video": video}, len(spec.data.hidden_imu) or len(spec.data.hidden_video)
    star = "imu" if spec.data.hidden_imu else "video"
    words = [labels.bar_label(about, spec.kind, star) if hidden else labels.model_label(about, spec.kind)]
    if spec.data.ratio < 1:
        words.append(f"{100 * spec.data.ratio:g} % of the data")
    if hidden:
        words.append(f"{hidden} {'class' if hidden == 1 else 'classes'} hidden")
    # What else sets it apart stands in its name: "fusion tested=2 one-stage seed=0".
    rest = [word for word in spec.name.split()[1:-1] if "*=" not in word and not word.startswith("ratio=")]
    return ", ".join([*words, *(word.replace("tested=", "tested on ") for word in rest), f"seed {spec.seed}"])

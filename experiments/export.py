"""A finished run for use elsewhere: ONNX, checked against PyTorch, a folder for `mlflow models serve`, or in MLflow.

python experiments/export.py --run KEY --storage DIR --out model.onnx

python experiments/export.py --run KEY --storage DIR --out model

mlflow models serve --model-uri model --env-manager local --port 5001

python experiments/export.py --run KEY --storage DIR --tracking-uri http://SERVER:5000

python experiments/export.py --run KEY --storage DIR --tracking-uri http://SERVER:5000 --register har --alias best
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from orchestrator.driver.terminal import console, refuse_bad_input
from orchestrator.storage.redaction import without_secrets
from orchestrator.storage.store import Store


@dataclass(frozen=True)
class Asked:
    run: str
    """The key of a run that is done, or its first letters."""
    out: Path | None = None
    """A file that ends in .onnx, or the folder of an MLflow model."""
    storage: Path = Path("output")
    """The storage that holds the run."""
    tracking_uri: str | None = None
    """Instead: the MLflow whose run of this key gets the model, with its signature and an example of a request."""
    register: str | None = None
    """With --tracking-uri: the name under which MLflow's registry gets the model, as its next version."""
    alias: str | None = None
    """With --register: what this version is called, as in `models:/NAME@ALIAS`; the alias moves from an earlier one."""


def export(asked: Asked) -> int:
    # torch, which --help and a wrong flag don't wait for.
    from orchestrator.serving.export import log_mlflow, to_mlflow, to_onnx
    from orchestrator.serving.predictor import finished

    store = Store(asked.storage.resolve())
    if (asked.out is None) == (asked.tracking_uri is None):
        raise ValueError("give --out FILE.onnx, --out DIR or --tracking-uri URI, one of them.")
    if asked.register and not asked.tracking_uri:
        raise ValueError(f"--register {asked.register}: needs --tracking-uri URI, the MLflow whose registry it is.")
    if asked.alias and not asked.register:
        raise ValueError(f"--alias {asked.alias}: needs --register NAME, the model that it is an alias of.")
    key = finished(store, asked.run).key
    if asked.tracking_uri:
        version = log_mlflow(store, key, asked.tracking_uri, asked.register, asked.alias)
        where = without_secrets(asked.tracking_uri)
        console.print(f"{where}: run {key} has its model", highlight=False)
        if asked.register:
            name = f"{asked.register}@{asked.alias}" if asked.alias else f"{asked.register}/{version}"
            console.print(f"registered as version {version}: models:/{name}", highlight=False)
    elif asked.out and asked.out.suffix == ".onnx":
        worst = to_onnx(store, key, asked.out)
        console.print(f"{asked.out}: differs from PyTorch by at most {worst:.1e}", highlight=False)
    elif asked.out:
        to_mlflow(store, key, asked.out)
        console.print(f"{asked.out}: mlflow models serve --model-uri {asked.out} --env-manager local", highlight=False)
    return 0


if __name__ == "__main__":
    asked = tyro.cli(Asked, description=__doc__)
    sys.exit(refuse_bad_input(lambda: export(asked)))

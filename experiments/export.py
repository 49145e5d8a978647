"""A finished run for use elsewhere: an ONNX file, checked against PyTorch, or a folder for `mlflow models serve`.

python experiments/export.py --run KEY --storage DIR --out model.onnx
python experiments/export.py --run KEY --storage DIR --out model
mlflow models serve --model-uri model --env-manager local --port 5001
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from orchestrator.export import to_mlflow, to_onnx
from orchestrator.store import Store
from orchestrator.terminal import console, refuse_bad_input


@dataclass(frozen=True)
class Asked:
    run: str
    """The key of a run that is done."""
    out: Path
    """A file that ends in .onnx, or the folder of an MLflow model."""
    storage: Path = Path("output")
    """The storage that holds the run."""


def export(asked: Asked) -> int:
    store = Store(asked.storage.resolve())
    if asked.out.suffix == ".onnx":
        worst = to_onnx(store, asked.run, asked.out)
        console.print(f"{asked.out}: differs from PyTorch by at most {worst:.1e}", highlight=False)
    else:
        to_mlflow(store, asked.run, asked.out)
        console.print(f"{asked.out}: mlflow models serve --model-uri {asked.out} --env-manager local", highlight=False)
    return 0


if __name__ == "__main__":
    asked = tyro.cli(Asked, description=__doc__)
    sys.exit(refuse_bad_input(lambda: export(asked)))

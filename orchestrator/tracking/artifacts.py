"""The files that MLflow gets of a run that is done: what it is, how it was scored, its predictions, its pictures."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from orchestrator.report import confusions
from orchestrator.storage.run_folder import RunFolder
from orchestrator.tracking import experiment_page, pictures

PREDICTIONS = "predictions.json"
# By this tag MLflow's page knows a file for a table, of which it compares several runs.
TABLES = {"mlflow.loggedArtifacts": json.dumps([{"path": PREDICTIONS, "type": "table"}])}


def write(
    scratch: Path, folder: RunFolder, classes: Sequence[str], modalities: Mapping[str, str], protocol: str
) -> list[Path]:
    """Of a run with a classifier pictures and predictions, else its curve alone; what lies in the folder as it is."""
    title = experiment_page.title(folder.spec, modalities)
    files = [folder.path / "spec.json"]
    if history := folder.history():
        files.append(_written(scratch / "curves.svg", pictures.curves(history, title, protocol)))
    if folder.spec.classifies:
        files += [folder.path / "predictions.parquet", folder.path / "metrics.json"]
        table = folder.predictions()
        counts = confusions.counted(table["label"], table["predicted"], len(classes))
        files.append(_written(scratch / "confusion.svg", pictures.confusion(counts, classes, title, protocol)))
        files.append(_written(scratch / PREDICTIONS, json.dumps(predictions(table, classes)).encode()))
    return files


def predictions(table: pa.Table, classes: Sequence[str]) -> dict[str, list]:
    """A row a test clip, in the form of MLflow's `log_table`, which would add the rows to those that are there."""
    label, predicted = table["label"].to_numpy(), table["predicted"].to_numpy()
    sure = np.stack(table["probabilities"].to_numpy())[np.arange(len(label)), predicted]
    columns = {name: table[name].to_pylist() for name in ("clip", "subject") if name in table.column_names}
    columns |= {"class": [classes[i] for i in label], "predicted": [classes[i] for i in predicted]}
    columns |= {"confidence": [round(float(value), 4) for value in sure], "right": (label == predicted).tolist()}
    return {"columns": list(columns), "data": [list(row) for row in zip(*columns.values(), strict=True)]}


def _written(file: Path, content: bytes) -> Path:
    file.write_bytes(content)
    return file

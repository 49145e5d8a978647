"""A storage that was moved, renamed or copied: its MLflow database names the folder where the artifacts lay before.

MLflow keeps absolute addresses and has no command that changes them (mlflow/mlflow issue 3144).
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlparse

from orchestrator.address import is_own

# Beside the experiment's own, all that MLflow keeps below it. A column of an older or a newer schema may be missing.
BELOW = {"runs": "artifact_uri", "logged_models": "artifact_location"}
BELOW_OF_MODELS = {"model_versions": ("source", "storage_location")}


def follow(uri: str, root: Path) -> None:
    """Has the storage's own database name the storage's present folder. Another MLflow is left as it is.

    Raises sqlite3.Error where it must be changed and can't be.
    """
    file = root / "mlflow.db"
    if not is_own(uri, root) or not file.exists():
        return
    # As long as MLflow itself waits for who holds the file. A connection that changes nothing takes no lock to write.
    with closing(sqlite3.connect(file, timeout=20)) as database, database:
        _follow(database, (root / "mlartifacts").as_uri())


def _follow(database: sqlite3.Connection, present: str) -> None:
    tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "experiments" not in tables:
        return
    found = database.execute("SELECT DISTINCT artifact_location FROM experiments").fetchall()
    for (former,) in found:
        if former and former != present and former.startswith("file:") and former.endswith("/mlartifacts"):
            for table in tables & BELOW.keys():
                _replace(database, table, BELOW[table], former, present)
            for table in tables & BELOW_OF_MODELS.keys():
                for column in BELOW_OF_MODELS[table]:
                    _replace(database, table, column, former, present)
            _replace_of_experiments(database, former, present)


def _replace(database: sqlite3.Connection, table: str, column: str, former: str, present: str) -> None:
    """Each row below `former`, but for what lies there and not here: of another storage that logs into this one."""
    if column not in {row[1] for row in database.execute(f"PRAGMA table_info({table})")}:
        return
    rows = f"SELECT rowid, {column} FROM {table} WHERE substr({column}, 1, ?) = ?"  # noqa: S608, names of this file
    for row, there in database.execute(rows, (len(former) + 1, f"{former}/")).fetchall():
        here = present + there[len(former) :]
        if _path(here).exists() or not _path(there).exists():
            database.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (here, row))  # noqa: S608


def _replace_of_experiments(database: sqlite3.Connection, former: str, present: str) -> None:
    """But for one all of whose runs were left there."""
    database.execute(
        "UPDATE experiments SET artifact_location = :present WHERE artifact_location = :former AND ("
        " NOT EXISTS (SELECT 1 FROM runs WHERE experiment_id = experiments.experiment_id"
        "  AND substr(artifact_uri, 1, length(:former) + 1) = :former || '/')"
        " OR EXISTS (SELECT 1 FROM runs WHERE experiment_id = experiments.experiment_id"
        "  AND substr(artifact_uri, 1, length(:present) + 1) = :present || '/'))",
        {"former": former, "present": present},
    )


def _path(location: str) -> Path:
    return Path(unquote(urlparse(location).path))

"""A storage that was moved, renamed or copied: its MLflow database names the folder where the artifacts lay before.

MLflow keeps absolute addresses and has no command that changes them (mlflow/mlflow issue 3144).
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlparse

from orchestrator.tracking.address import is_own

# Where MLflow keeps the address of something below an experiment's place; another schema may lack one.
COLUMNS = (
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
PATIENCE = 20.0  # seconds, as MLflow itself waits for who holds the file


def follow(uri: str, root: Path) -> None:
    """Has the storage's own database name the storage's present folder. Another MLflow is left as it is.

    Raises sqlite3.Error where it must be changed and can't be.
    """
    file = root / "mlflow.db"
    if not is_own(uri, root) or not file.exists():
        return
    with closing(sqlite3.connect(file, timeout=PATIENCE)) as database, database:
        _follow(database, (root / "mlartifacts").as_uri())


def _follow(database: sqlite3.Connection, present: str) -> None:
    columns = "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'"
    there_are = set(database.execute(columns))
    if ("experiments", "artifact_location") not in there_are:
        return
    found = database.execute("SELECT DISTINCT artifact_location FROM experiments").fetchall()
    for (former,) in found:
        if former and former != present and former.startswith("file:") and former.endswith("/mlartifacts"):
            _replace(database, [column for column in COLUMNS if column in there_are], former, present)


def _replace(database: sqlite3.Connection, columns: list[tuple[str, str]], former: str, present: str) -> None:
    """What lies below `former` and nothing of it below `present` is of another storage that logs into this database.

    A single run that lies there only is left too: it was logged there after the storage had left.
    """
    changes = []
    for table, column in columns:
        rows = f"SELECT rowid, {column} FROM {table} WHERE substr({column}, 1, ?) = ?"  # noqa: S608, of COLUMNS
        for row, there in database.execute(rows, (len(former) + 1, f"{former}/")):
            here = present + there[len(former) :]
            changes.append((table, column, row, here, _exists(there), _exists(here)))
    if any(is_there for *_, is_there, _ in changes) and not any(is_here for *_, is_here in changes):
        return
    for table, column, row, here, is_there, is_here in changes:
        if is_here or not is_there:
            database.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (here, row))  # noqa: S608
    database.execute("UPDATE experiments SET artifact_location = ? WHERE artifact_location = ?", (present, former))


def _exists(location: str) -> bool:
    try:
        return Path(unquote(urlparse(location).path)).exists()
    except OSError:  # a former place, now in a folder that this user may not look into
        return False

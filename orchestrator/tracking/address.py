"""Which MLflow is meant, and who says so: the flag, MLFLOW_TRACKING_URI, or nobody and it is a file in the storage."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from orchestrator.storage.redaction import without_secrets

VARIABLE, FLAG = "MLFLOW_TRACKING_URI", "--tracking-uri"
SQLITE = re.compile(r"sqlite(?:\+\w+)?:///([^?]*)")
HOST_AND_PORT = re.compile(r"[\w.-]+:\d+(/|$)")


@dataclass(frozen=True)
class Address:
    uri: str
    given_by: str | None
    """`--tracking-uri` or `MLFLOW_TRACKING_URI`; None where neither is given."""

    @property
    def source(self) -> str:
        """Who says so, in words."""
        over = f", which wins over {VARIABLE}" if self.given_by == FLAG and named() else ""
        return f"from {self.given_by}{over}" if self.given_by else "in the storage"

    @property
    def described(self) -> str:
        """As the table before the start says it."""
        return f"{without_secrets(self.uri)} ({self.source})"

    def check(self) -> None:
        """Raises ValueError for an address that no MLflow can have."""
        said = f"{self.given_by} {self.uri}" if self.given_by == FLAG else f"{self.given_by}={self.uri}"
        if HOST_AND_PORT.match(self.uri):
            raise ValueError(f"{said}: the address has no scheme. Write http://{self.uri} or https://{self.uri}.")
        if names_folder(self.uri) and os.environ.get("MLFLOW_ALLOW_FILE_STORE", "").lower() not in ("true", "1"):
            raise ValueError(
                f"{said}: this is a folder, and MLflow logs into folders no longer. Give a server's address or"
                " sqlite:///FILE, or set MLFLOW_ALLOW_FILE_STORE=true to log into the folder all the same."
            )


def address(flag: str | None, root: Path) -> Address:
    """The MLflow of a start on the storage `root`."""
    if flag:
        return Address(flag, FLAG)
    return Address(named(), VARIABLE) if named() else Address(sqlite(root / "mlflow.db"), None)


def named() -> str:
    return os.environ.get(VARIABLE, "").strip()


def names_folder(uri: str) -> bool:
    return uri.startswith("file:") or (":" not in uri and uri not in ("databricks", "databricks-uc", "uc"))


def sqlite(file: Path) -> str:
    """SQLAlchemy takes ? for the end of the path and decodes what follows %: with these in the path it is encoded.

    MLflow makes the folder that stands literally behind `sqlite:///`, so that form names the driver besides.
    """
    path = str(file)
    return f"sqlite+pysqlite:///{quote(path)}" if "%" in path or "?" in path else f"sqlite:///{path}"


def file_of(uri: str) -> Path | None:
    """The file behind an sqlite address, of whichever form."""
    found = SQLITE.match(uri)
    return Path(unquote(found[1])) if found else None


def is_own(uri: str, root: Path) -> bool:
    """Whether this is the database of the storage `root` itself."""
    file = file_of(uri)
    return file is not None and file.resolve() == (root / "mlflow.db").resolve()

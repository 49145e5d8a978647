"""What keeps a start from starting, in sentences: a storage that can't be written to, and whatever Ray raises.

Without Ray itself, for every command that talks to a terminal imports this, and Ray takes two seconds.
"""

import getpass
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from datasets.files.atomic import FULL
from orchestrator.storage.redaction import without_secrets


@contextmanager
def in_a_sentence(what: str, way_out: str) -> Iterator[None]:
    """Ray raises whatever came up in it. This raises a ValueError of one line: what failed, why, and the way out."""
    try:
        yield
    except Exception as error:
        raise ValueError(f"{what} ({without_secrets(cause(error))}). {way_out}") from error


def cause(error: BaseException) -> str:
    """What an error came from, in one line: Ray wraps what happened in what it tried."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def whoami() -> str:
    return f"user {getpass.getuser()}"


def check_storage(root: Path, given: Path) -> None:
    """Raises ValueError where the storage can't be written to. Nothing is left behind, no folder either."""
    try:
        there = next(path for path in (root, *root.parents) if path.exists())
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        if error.errno in FULL:
            raise
        raise ValueError(
            f"--storage {given}: {whoami()} can't write to {root} ({error.strerror}). Give a folder that takes files."
        ) from None


def way_out() -> str:
    """For a start that Ray couldn't finish."""
    logs = Path(os.environ.get("RAY_TMPDIR", "/tmp"), "ray/session_latest/logs")  # noqa: S108
    return f"The machine may be too busy, or allow too few processes (ulimit -u); {logs} have what Ray says of it."

"""An MLflow that a command asks while its user waits: what goes wrong is one sentence, and tells no password."""

from collections.abc import Iterator
from contextlib import contextmanager

from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from datasets.whole import FULL
from orchestrator.secret import without_secrets


@contextmanager
def answering(uri: str) -> Iterator[None]:
    """Raises ValueError where the MLflow at `uri` can't be reached or refuses; a full disk here stays an OSError."""
    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as error:
        if isinstance(error, OSError) and error.errno in FULL:
            raise
        words = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:500]}"
        raise ValueError(without_secrets(f"--tracking-uri {uri}: MLflow there doesn't do it ({words}).")) from None

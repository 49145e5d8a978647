"""What an MLflow refuses, in sentences that name the way out and tell no password."""

import os
import shlex
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import mlflow
import requests
from mlflow.exceptions import MlflowException, RestException
from requests.utils import get_environ_proxies, select_proxy
from sqlalchemy.exc import SQLAlchemyError

from datasets.files.atomic import FULL
from orchestrator.storage.redaction import without_secrets
from orchestrator.tracking.address import file_of

TO_AUTHENTICATE = ("CUSTOMER_UNAUTHORIZED", "UNAUTHENTICATED")
# What MLflow says of what it was asked, not of itself: asked anew it may say more.
OF_THE_QUESTION = ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST")


class Deleted(Exception):
    """The experiment is in MLflow's bin, where it keeps its name and takes nothing."""

    def __init__(self, name: str, number: str):
        super().__init__(name)
        self.name, self.number = name, number


class Elsewhere(Exception):
    """The server told its clients to write files into a folder of its own machine."""

    def __init__(self, name: str, number: str, location: str):
        super().__init__(location)
        self.name, self.number, self.location = name, number, location


@contextmanager
def answering(uri: str) -> Iterator[None]:
    """Raises ValueError where the MLflow at `uri` can't be reached or refuses; a full disk here stays an OSError."""
    try:
        yield
    except (MlflowException, SQLAlchemyError, sqlite3.Error, OSError, Deleted, Elsewhere) as error:
        if isinstance(error, OSError) and error.errno in FULL:
            raise
        raise ValueError(f"MLflow at {without_secrets(uri)}: {explained(error, uri)}") from None


def explained(error: Exception, uri: str) -> str:
    """What went wrong and the way out."""
    ways = (deleted, elsewhere, schema, locked, host_name, through_proxy, account, certificate, no_mlflow, unreachable)
    return without_secrets(next((said for way in ways if (said := way(error, uri))), f"{words(error)}."))


def words(error: BaseException) -> str:
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:500].rstrip('.')}"


def of_the_question(error: Exception) -> bool:
    return isinstance(error, MlflowException) and error.error_code in OF_THE_QUESTION


def command(uri: str, line: str) -> str:
    """An mlflow command that works on the MLflow at `uri`."""
    return f"`MLFLOW_TRACKING_URI={shlex.quote(uri)} mlflow {line}`"


def deleted(error: Exception, uri: str) -> str | None:
    if not isinstance(error, Deleted):
        return None
    restore = command(uri, f"experiments restore --experiment-id {error.number}")
    return f"The experiment {error.name} was deleted there, and takes nothing until {restore} brings it back."


def elsewhere(error: Exception, uri: str) -> str | None:
    if not isinstance(error, Elsewhere):
        return None
    name = shlex.quote(f"{error.name}-without-files")
    rename = command(uri, f"experiments rename --experiment-id {error.number} --new-name {name}")
    return (
        f"The server has its clients write files to {error.location} themselves, and this machine can't write there or"
        " has no such folder. Whoever starts the server gives --artifacts-destination DIR in place of"
        " --default-artifact-root and --no-serve-artifacts, so that it takes the files itself. An experiment keeps its"
        f" place, so this one must make room for a new one: {rename}."
    )


def by_clients(uri: str, location: str) -> bool:
    """Whether a server has its clients write files into a folder, which may be its own machine's."""
    return uri.startswith("http") and urlsplit(location).scheme in ("", "file")


def is_elsewhere(uri: str, location: str) -> bool:
    """Whether it is on another machine, and this one doesn't have the folder."""
    host, place = urlsplit(uri).hostname or "", Path(unquote(urlsplit(location).path))
    here = host in ("localhost", "::1") or host.startswith("127.")
    return by_clients(uri, location) and not here and not os.access(place.parent, os.F_OK)


def schema(error: Exception, uri: str) -> str | None:
    """MLflow advises `mlflow db upgrade` also where the database is the newer one, which that can't open either."""
    _, found, after = str(error).partition("out-of-date database schema (found version ")
    if not found or not isinstance(error, MlflowException):
        return None
    version, file = after.partition(",")[0], file_of(uri)
    if any((Path(mlflow.__file__).parent / "store/db_migrations/versions").glob(f"{version}_*.py")):
        backup = f"Make a copy of {file}" if file else "Have a backup of it"
        return f"The database is of an older MLflow. {backup}, then run `mlflow db upgrade {shlex.quote(uri)}`."
    return (
        f"The database is of a newer MLflow (schema {version}) than the one here, {mlflow.__version__}, and can't be"
        " made older. Install the newer one, `pip install --upgrade mlflow`, or log into another MLflow with"
        " --tracking-uri."
    )


def locked(error: Exception, uri: str) -> str | None:
    file = file_of(uri)
    if file and "database is locked" in str(error):
        return f"Another process holds {file}."
    if file and "readonly database" in str(error):
        return f"{file} can't be written: give this user the right to write it and its folder."
    return None


def host_name(error: Exception, uri: str) -> str | None:
    if "Invalid Host header" not in str(error):
        return None
    host = urlsplit(uri).netloc.rpartition("@")[2]
    return (
        f"The server refuses to be called {host} (403, Invalid Host header). Whoever starts it names what it may be"
        f" called: mlflow server --allowed-hosts {shlex.quote(f'{host},localhost:*')}. Without that it answers to its"
        " IP address in a private network."
    )


def through_proxy(error: Exception, uri: str) -> str | None:
    """What no MLflow answered came from the proxy, or from nobody."""
    proxy = select_proxy(uri, get_environ_proxies(uri)) if uri.startswith("http") else None
    if not proxy or not from_the_net(error):
        return None
    host, scheme = urlsplit(uri).hostname or "", urlsplit(uri).scheme
    names = [name for of in (scheme, "all") for name in (f"{of}_proxy", f"{of}_proxy".upper())]
    variable = next((name for name in names if os.environ.get(name)), names[1])
    # The small letters win where both are set.
    spared = next((name for name in ("no_proxy", "NO_PROXY") if os.environ.get(name)), "NO_PROXY")
    hosts = ",".join(filter(None, (os.environ.get(spared), host)))
    return (
        f"The request for {host} went to the proxy {proxy}, which {variable} names, and no MLflow answered through it"
        f" ({words(error)}). Set {spared}={hosts} to ask {host} directly."
    )


def account(error: Exception, uri: str) -> str | None:
    if not isinstance(error, MlflowException) or error.error_code not in TO_AUTHENTICATE:
        return None
    return (
        "The server asks who is there, or doesn't know this user (401). Set MLFLOW_TRACKING_USERNAME and"
        " MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN."
    )


def certificate(error: Exception, uri: str) -> str | None:
    if not comes_from(error, lambda cause: isinstance(cause, requests.exceptions.SSLError)):
        return None
    return (
        f"The server's certificate isn't trusted here ({words(error)}). Set"
        " MLFLOW_TRACKING_SERVER_CERT_PATH to the file of the authority that signed it."
    )


def no_mlflow(error: Exception, uri: str) -> str | None:
    if not from_the_net(error) or "Response body" not in str(error):
        return None
    return f"What answers there is no MLflow, or has it at another path ({words(error)})."


def unreachable(error: Exception, uri: str) -> str | None:
    kinds = (requests.exceptions.ConnectionError, requests.exceptions.Timeout)
    if not comes_from(error, lambda cause: isinstance(cause, kinds)):
        return None
    return f"No server answers there ({words(error)})."


def from_the_net(error: Exception) -> bool:
    """Whether it was asked over the net and no MLflow answered: that would be a RestException."""
    asked = isinstance(error, requests.exceptions.RequestException) or "API request" in str(error)
    return asked and not isinstance(error, RestException)


def comes_from(error: BaseException | None, right: Callable[[BaseException], bool]) -> bool:
    """MLflow wraps what `requests` raised, with or without saying `from`."""
    while error is not None:
        if right(error):
            return True
        error = error.__cause__ or error.__context__
    return False

"""What starting a Ray here takes of the machine, provided or named in a sentence before Ray stumbles over it."""

import getpass
import os
import secrets
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from datasets.whole import FULL
from orchestrator.secret import without_secrets

# The kernel takes so many bytes for the path of a socket (unix(7)); macOS four fewer.
SOCKET_BYTES = 103 if sys.platform == "darwin" else 107
# The longest that Ray binds below its folder; {} is the number of the process that starts it.
SOCKET = "ray/session_2026-11-25_16-58-27_760123_{}/sockets/plasma_store"
SHARED = Path("/tmp")  # noqa: S108  Ray's own, where nothing else is said


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


def provide(say: Callable[[str], None]) -> None:
    """What a Ray started here needs. Raises ValueError where that can't be had; `say` is told what is unusual."""
    _provide_folder(say)
    with in_a_sentence("no Ray can be started here, for its token can't be read", "Mend or unset RAY_AUTH_TOKEN_PATH."):
        _provide_token()


def _provide_token() -> None:
    """Ray keeps a token in the home folder. Where it can't, this start has one of its own, which ends with it."""
    # Here, for whatever talks to a terminal imports this file, and Ray takes two seconds.
    from ray._private.authentication.authentication_token_setup import generate_and_save_token
    from ray._raylet import AuthenticationTokenLoader  # pyright: ignore

    tokens = AuthenticationTokenLoader.instance()
    if tokens.has_token(ignore_auth_mode=True):
        return
    try:
        generate_and_save_token()
    except OSError:
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    tokens.reset_cache()


def _provide_folder(say: Callable[[str], None]) -> None:
    """RAY_TMPDIR is meant for Ray and is kept to. TMPDIR is often a batch system's: /tmp does where that won't."""
    given = {name: os.environ[name] for name in ("RAY_TMPDIR", "TMPDIR") if os.environ.get(name)}
    # Ray would take an empty name, and one that isn't absolute, as below the folder that each process is in.
    folder = Path(next(iter(given.values()), SHARED)).absolute()
    own = SHARED / f"ray-{os.getuid()}"
    why = unfit(folder)
    for other in () if "RAY_TMPDIR" in given else (SHARED, own):
        if why and not unfit(other, private=other == own):
            say(f"note: Ray has its sockets and logs in {other}/ray: {why}.")
            folder, why = other, None
    if why:
        raise ValueError(
            f"no Ray can be started here, for it needs a folder for its sockets: {why}."
            " Set RAY_TMPDIR to a folder with a short path that takes files, as in RAY_TMPDIR=/tmp/me."
        )
    os.environ["RAY_TMPDIR"] = str(folder)


def unfit(folder: Path, private: bool = False) -> str | None:
    """Why Ray can't have its sockets below this folder; None where it can, for one was made there."""
    length = len(os.fsencode(folder / SOCKET.format(os.getpid())))
    if length > SOCKET_BYTES:
        return f"below {folder} their paths would have {length} bytes, and the system takes {SOCKET_BYTES}"
    try:
        folder.mkdir(0o700 if private else 0o777, parents=True, exist_ok=True)
        if private and folder.lstat().st_uid != os.getuid():
            return f"{folder} belongs to somebody else"
        (folder / "ray").mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder / "ray") as inside, socket.socket(socket.AF_UNIX) as bound:
            bound.bind(f"{inside}/s")
    except OSError as error:
        return f"{whoami()} can't make one in {folder}/ray ({error.strerror or error})"
    return None


def way_out() -> str:
    """For a start that Ray couldn't finish."""
    logs = Path(os.environ["RAY_TMPDIR"]) / "ray/session_latest/logs"
    return f"The machine may be too busy, or allow too few processes (ulimit -u); {logs} have what Ray says of it."

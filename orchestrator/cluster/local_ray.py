"""What a Ray started here takes of the machine: a folder for its sockets, a token, an address, memory."""

import os
import resource
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray.util
from ray._private.authentication.authentication_token_setup import generate_and_save_token
from ray._private.utils import estimate_available_memory, resolve_object_store_memory
from ray._raylet import AuthenticationTokenLoader  # pyright: ignore

from orchestrator.cluster.start_errors import in_a_sentence, whoami

# The kernel takes so many bytes for the path of a socket (unix(7)); macOS four fewer.
SOCKET_BYTES = 103 if sys.platform == "darwin" else 107
# The longest that Ray binds below its folder; {} is the number of the process that starts it.
SOCKET = "ray/session_2026-11-25_16-58-27_760123_{}/sockets/plasma_store"
REACH_SECONDS = 3.0
# What a process maps at the least: torch with CUDA 7 GB, Ray's store a quarter of what it may.
ADDRESS_BYTES = 12 * 10**9
# A grid's logs are some 50 MB; without room for them Ray's processes die.
ROOM_BYTES = 100 * 10**6
SHARED = Path("/tmp")  # noqa: S108  Ray's own, where nothing else is said


def provide(say: Callable[[str], None]) -> dict[str, Any]:
    """What a Ray started here needs; returns what `ray.init` is to be told. `say` is told what is unusual.

    Raises ValueError where something can't be had.
    """
    _provide_folder(say)
    with in_a_sentence("no Ray can be started here, for its token can't be read", "Mend or unset RAY_AUTH_TOKEN_PATH."):
        _provide_token()
    _check_address()
    return _object_store()


def _check_address() -> None:
    """Raises ValueError where this machine can't reach itself at the address that Ray's processes will have."""
    address = ray.util.get_node_ip_address()
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.create_server((address, 0), family=family) as listening:
            socket.create_connection(listening.getsockname()[:2], timeout=REACH_SECONDS).close()
    except OSError as error:
        raise ValueError(
            f"no Ray can be started here, for this machine doesn't reach itself at its own address {address}"
            f" ({os.strerror(error.errno) if error.errno else error}). Leave the VPN, allow it in the firewall, or"
            " bring the interface up (ip link set lo up)."
        ) from None


def _object_store() -> dict[str, Any]:
    """Where a process' addresses are limited, its store takes a quarter. Raises ValueError where that is too little.

    Ray would reserve by what the machine has, and die where it can't.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return {}
    if limit < ADDRESS_BYTES:
        raise ValueError(
            f"no Ray can be started here, for a process may have {limit / 1e9:.1f} GB of addresses (ulimit -v), and"
            f" torch and Ray's store take {ADDRESS_BYTES / 1e9:.0f} GB. Raise it, or ask the batch system for more"
            " memory (h_vmem, pvmem)."
        )
    return {"object_store_memory": min(limit // 4, resolve_object_store_memory(estimate_available_memory()))}


def _provide_token() -> None:
    """Ray keeps a token in the home folder. Where it can't, this start has one of its own, which ends with it."""
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
        if (free := shutil.disk_usage(folder).free) < ROOM_BYTES:
            return f"{folder} has {free / 1e6:.0f} MB free, and Ray's logs and sockets take {ROOM_BYTES / 1e6:.0f} MB"
        with tempfile.TemporaryDirectory(dir=folder / "ray") as inside, socket.socket(socket.AF_UNIX) as bound:
            bound.bind(f"{inside}/s")
    except OSError as error:
        return f"{whoami()} can't make one in {folder}/ray ({error.strerror or error})"
    return None

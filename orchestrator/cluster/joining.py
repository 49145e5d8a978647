"""Whether a Ray that is joined answers as one, before Ray waits 100 seconds to find out; and the code it is sent."""

import json
import logging
import os
import platform
import socket
from collections import Counter
from pathlib import Path
from typing import Any

import grpc
import ray
from ray._private import ray_constants, services
from ray._private.authentication.authentication_token_setup import maybe_enable_token_auth_if_token_available
from ray._private.gcs_utils import create_gcs_channel
from ray._private.runtime_env import packaging
from ray._private.utils import check_version_info
from ray._raylet import GcsClient  # pyright: ignore
from ray.core.generated import gcs_service_pb2, gcs_service_pb2_grpc
from ray.exceptions import AuthenticationError

from orchestrator.cluster.start_errors import in_a_sentence
from orchestrator.storage.redaction import without_secrets

ROOT = Path(__file__).resolve().parents[2]
CODE = ("datasets", "experiments", "models", "orchestrator")
# As in a .gitignore: nothing that lies beside the code, whatever somebody keeps there. To Ray the folder itself is ".".
EXCLUDES = ["/*", "!/.", *(f"!/{name}" for name in CODE), "__pycache__"]
CONNECT_SECONDS = 5.0
QUIET = logging.getLogger(f"{__name__}.quiet")
QUIET.disabled = True
# A head that is busy answers late.
ANSWER_SECONDS = 20.0
# So long a node that was only just started may take to appear.
NODE_SECONDS = 10


def check(address: str) -> None:
    """Raises ValueError unless the Ray at `address` can be joined from here. Takes less than a minute."""
    name = "RAY_ADDRESS=" if address == os.environ.get("RAY_ADDRESS") else "--address "
    shown = without_secrets(name + address)
    _check_form(address, shown)
    if address == "auto":
        maybe_enable_token_auth_if_token_available(warn_if_disabled=False)  # as Ray does for this word
    with in_a_sentence(f"{shown}: no Ray is found", "Start one (ray start --head), or leave the address out."):
        found = services.canonicalize_bootstrap_address(address)
        assert found
        # Ray takes this machine's own address for 127.0.0.1, where something else may listen on that only.
        there = _first_open(found, *([] if address == "auto" else [address]))
    about = _about(there, shown)
    if there != found:
        raise ValueError(
            f"{shown}: the Ray there doesn't listen at {found}, where Ray looks for it from here. Start it with"
            f" --node-ip-address={found.rpartition(':')[0]}."
        )
    _check_versions(about, shown)
    _check_node(found, shown)


def _check_form(address: str, shown: str) -> None:
    scheme, separator, _ = address.rpartition("://")
    if separator:
        kind = {"ray": "is Ray Client's address", "http": "is the dashboard's", "https": "is the dashboard's"}
        raise ValueError(
            f"{shown} {kind.get(scheme, 'is no address of a Ray')}, by which no experiment can be run. Give the head's"
            " own, as in HOST:6379, on a machine of the cluster; or the dashboard's to `ray job submit --address`."
        )


def _first_open(*addresses: str) -> str:
    """Raises what the last one raises."""
    refused = OSError()
    for address in addresses:
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()
            return address
        except OSError as error:
            refused = error
    raise refused


def _about(found: str, shown: str) -> dict[str, Any]:
    """What the head says of its versions: a question of half a second that only a head can answer."""
    asked = gcs_service_pb2.InternalKVGetRequest(key=b"CLUSTER_METADATA", namespace=b"cluster")  # pyright: ignore
    with in_a_sentence(f"{shown}: no connection can be made", "Mend RAY_USE_TLS and what goes with it (RAY_TLS_*)."):
        channel = create_gcs_channel(found)
    try:
        reply = gcs_service_pb2_grpc.InternalKVGcsServiceStub(channel).InternalKVGet(asked, timeout=ANSWER_SECONDS)
    except (grpc.RpcError, AuthenticationError) as error:
        code = error.code() if isinstance(error, grpc.Call) else grpc.StatusCode.UNAUTHENTICATED
        if code == grpc.StatusCode.UNAUTHENTICATED:
            raise ValueError(
                f"{shown}: the Ray there refuses this process, for it has another token or none. Give it the cluster's,"
                " in RAY_AUTH_TOKEN or in ~/.ray/auth_token, and set RAY_AUTH_MODE=token."
            ) from None
        raise ValueError(
            f"{shown}: something answers there, but not as the head of a Ray does ({code.name}). Give the head's own"
            " port, 6379 if nothing else was said, not the dashboard's or the client's, and RAY_USE_TLS as it has it."
        ) from None
    return json.loads(reply.value or b"{}")


def _check_versions(about: dict[str, Any], shown: str) -> None:
    try:
        if about:
            check_version_info(about, "this machine")
    except RuntimeError:
        raise ValueError(
            f"{shown}: the Ray there is version {about['ray_version']} on Python {about['python_version']}, and this"
            f" process has {ray.__version__} on {platform.python_version()}. Make both the same; `make setup` installs"
            " this process' Ray for the Python that it is given (PYTHON=python3.11)."
        ) from None


def _check_node(found: str, shown: str) -> None:
    try:
        services.get_node_to_connect_for_driver(GcsClient(address=found), timeout_seconds=NODE_SECONDS)
    except RuntimeError:
        raise ValueError(
            f"{shown}: this machine is none of the nodes of the Ray there, and it is joined from one of them only."
            " Start this on a node, make this machine one (ray start --address), or use `ray job submit`."
        ) from None


def code() -> dict[str, Any]:
    """Of a runtime environment: this project's code, and nothing else of its folder."""
    return {"working_dir": str(ROOT), "excludes": EXCLUDES}


def check_size(root: Path = ROOT, most: int = packaging.GCS_STORAGE_MAX_SIZE) -> None:
    """Raises ValueError where recordings lie among the code, for Ray would pack them before it says that it can't."""
    sizes = Counter[str]()
    for file in sent(root):
        sizes["/".join(file.relative_to(root).parts[:2])] += file.stat().st_size
    if sizes.total() > most:
        largest, size = sizes.most_common(1)[0]
        raise ValueError(
            f"the code of {root} has {sizes.total() / 1e6:.0f} MB, {size / 1e6:.0f} MB of it in {largest}, and a Ray"
            f" that is joined takes {most / 1e6:.0f} MB. Move {largest} elsewhere, or name it in {root / '.rayignore'}."
        )


def sent(root: Path) -> list[Path]:
    """The files that Ray packs, by its own rules."""
    found: list[Path] = []
    excludes = [packaging._get_excludes(root, ray_constants.get_runtime_env_default_excludes() + EXCLUDES)]
    packaging._dir_travel(root, excludes, found.append, include_gitignore=True, logger=QUIET)
    return [path for path in found if path.is_file()]

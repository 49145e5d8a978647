"""A head and two more nodes on this machine: runs spread over them, workers of one run on two of them. Minutes long."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import ray
from ray._private.ray_constants import AUTOSCALER_RESOURCE_REQUEST_CHANNEL
from ray.cluster_utils import Cluster
from ray.experimental.internal_kv import _internal_kv_get

from orchestrator.cluster.nodes import alive
from orchestrator.cluster.placement import capacity, check_placeable, giving_back, make_room
from orchestrator.plan.plan import Plan
from tests.support.processes import nodes_of_workers, wait_for, wait_for_nodes
from tests.support.runs.specs import gpus_of
from tests.support.runs.specs import run as run_of

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.long


def run(command: list[str], cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=1800)


ASK = """
import os, sys, ray
from orchestrator.cluster import connect
connect.connect(sys.argv[1] or None)
told = ray.get(ray.remote(lambda: {name: os.environ.get(name) for name in connect.WORKER_ENV}).remote())
print(told == connect.WORKER_ENV, told)
"""


def test_processes_have_their_environment_of_a_ray_started_here_and_of_one_joined(cluster: Callable):
    for address in ("", cluster(1).address):
        ended = run([sys.executable, "-c", ASK, address])
        assert ended.stdout.startswith("True"), ended.stdout + ended.stderr


def test_runs_spread_over_nodes_give_the_same(
    cluster: Callable, grid_command: Callable, gave: Callable, undisturbed: tuple[Path, str], tmp_path: Path
):
    made = cluster(1, 1, 1)
    flags = ("--only", "modalities", "--seeds", "2", "--address", made.address)
    ended = run(grid_command(tmp_path / "storage", *flags))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "3 node(s) with 3 CPUs" in ended.stdout
    assert gave(tmp_path / "storage") == gave(undisturbed[0])
    on = nodes_of_workers(made.address)
    assert len(on) == 6 and len(set.union(*on)) == 3


def test_trials_of_a_small_head_lie_on_other_nodes_and_survive_one(
    gave: Callable, grid_command: Callable, undisturbed: tuple[Path, str], tmp_path: Path
):
    """The head has memory for none of them. A node that goes with its trials costs an attempt and no number."""
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "memory": 1_000_000_000})
    try:
        first, _ = (made.add_node(num_cpus=1, memory=3_000_000_000) for _ in range(2))
        made.wait_for_nodes()
        storage = tmp_path / "storage"
        flags = ("--only", "modalities", "--seeds", "2", "--address", made.address)
        with (tmp_path / "log").open("w") as log:
            driver = subprocess.Popen(grid_command(storage, *flags), cwd=ROOT, stdout=log, stderr=log)
            wait_for(lambda: any(row for row in storage.glob("runs/*/history.jsonl")), driver, tmp_path / "log", 180)
            made.remove_node(first, allow_graceful=False)
            assert driver.wait(900) == 0, (tmp_path / "log").read_text()
        assert gave(storage) == gave(undisturbed[0])
    finally:
        ray.shutdown()
        made.shutdown()


def test_workers_of_one_run_on_two_nodes_give_what_those_on_one_node_give(
    cluster: Callable, grid_command: Callable, gave: Callable, tmp_path: Path
):
    """Three workers of half a CPU each: a node of one holds two of them."""
    flags = ["--only", "modalities", "--workers", "imu", "3", "video", "3", "fusion", "3"]
    spread = cluster(1, 1, 1)
    ended = run(grid_command(tmp_path / "spread", *flags, "--address", spread.address))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert sorted(len(nodes) for nodes in nodes_of_workers(spread.address))[-2:] == [2, 2]
    spread.shutdown()
    one = cluster(6)
    ended = run(grid_command(tmp_path / "one", *flags, "--address", one.address))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert gave(tmp_path / "spread") == gave(tmp_path / "one")


def test_a_storage_that_is_not_absolute_is_refused_on_several_nodes(
    cluster: Callable, grid_command: Callable, tmp_path: Path
):
    made = cluster(1, 1)
    ended = run(grid_command(Path("here"), "--address", made.address), cwd=ROOT)
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert "error: --storage here: the cluster has 2 nodes. Give an absolute path" in ended.stderr
    assert not (ROOT / "here").exists()


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root to hide a folder from a node")
def test_a_storage_that_a_node_does_not_see_is_refused(cluster: Callable, grid_command: Callable, tmp_path: Path):
    made = cluster(1)
    storage = tmp_path / "storage"
    storage.mkdir()
    words = f"-m ray.scripts.scripts start --address={made.address} --num-cpus=1 --block --disable-usage-stats"
    blind = subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", f"mount -t tmpfs none {storage} && exec {sys.executable} {words}"],
        stdout=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        wait_for_nodes(made.address, 2)
        ended = run(grid_command(storage, "--address", made.address))
    finally:
        blind.terminate()
        blind.wait(60)
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert f"error: --storage {storage}: " in ended.stderr and "of 2 nodes can't see it" in ended.stderr
    assert not list(storage.iterdir())


SCALED = """
cluster_name: scaled
max_workers: 2
idle_timeout_minutes: 0.5
provider: {type: fake_multinode, gcs_address: "ADDRESS", head_node_id: "HEAD", disable_node_updaters: true}
head_node_type: ray.head.default
upscaling_speed: 1.0
auth: {}
docker: {}
file_mounts: {}
cluster_synced_files: []
initialization_commands: []
setup_commands: []
head_setup_commands: []
worker_setup_commands: []
head_start_ray_commands: []
worker_start_ray_commands: []
available_node_types:
  ray.head.default: {resources: {CPU: 0}, node_config: {}, max_workers: 0}
  worker: {resources: {CPU: 1}, node_config: {}, min_workers: 0, max_workers: 2}
"""


@pytest.fixture
def scaled(tmp_path: Path) -> Iterator[str]:
    """The address of a head without a CPU whose autoscaler may start two nodes of one CPU on this machine."""
    port = free_port()
    address = f"{ray.util.get_node_ip_address()}:{port}"
    head_id = "fffffffffffffffffffffffffffffffffffffffffffffffffff00000"
    (tmp_path / "cluster.yaml").write_text(SCALED.replace("ADDRESS", address).replace("HEAD", head_id))
    temporary = tempfile.mkdtemp(prefix="ray-")  # short: sockets lie below it
    words = f"start --head --block --num-cpus=0 --port={port} --temp-dir={temporary} --disable-usage-stats"
    words += f" --dashboard-port={free_port()} --ray-client-server-port={free_port()}"
    words += f" --dashboard-agent-listen-port={free_port()} --autoscaling-config={tmp_path / 'cluster.yaml'}"
    env = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    env |= {"RAY_FAKE_CLUSTER": "1", "RAY_OVERRIDE_NODE_ID_FOR_TESTING": head_id}
    # As this process has it, or its questions would be refused.
    env |= {"RAY_AUTH_MODE": os.environ.get("RAY_AUTH_MODE", "disabled")}
    with (tmp_path / "head.log").open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "ray.scripts.scripts", *words.split()],
            env=env, stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        wait_for_nodes(address, 1)
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        with contextlib.suppress(ProcessLookupError):  # what its nodes leave behind is of its process group
            os.killpg(process.pid, signal.SIGKILL)
        shutil.rmtree(temporary, ignore_errors=True)


def free_port() -> int:
    with socket.create_server(("", 0)) as found:
        return found.getsockname()[1]


def asked() -> list[dict[str, float]]:
    """What the autoscaler was asked for last."""
    return json.loads(_internal_kv_get(AUTOSCALER_RESOURCE_REQUEST_CHANNEL) or "[]")


def test_a_cluster_that_has_scaled_to_zero_makes_room_until_it_is_given_back(scaled: str):
    run = run_of("imu")
    plan, gpus = Plan("made up", (), {run.key: run}), gpus_of("demo")
    ray.init(address=scaled, log_to_driver=False)
    try:
        with pytest.raises(ValueError, match="imu run can never be placed"):
            check_placeable(plan, gpus, alive())
        with giving_back(2):
            make_room(plan, gpus, 2, patience=240)
            check_placeable(plan, gpus, alive())
            assert asked() == [{"CPU": 0.5}] * 4
            assert sorted(node.get("CPU", 0) for node in alive()) == [0, 1, 1] and capacity() == (2, 0)
            with pytest.raises(ValueError, match=r"--room 3: after 0\.05 minutes there is room for 2 imu run"):
                make_room(plan, gpus, 3, patience=3)
        # (On one machine, where all nodes have one address, this autoscaler never takes a node for idle.)
        assert asked() == []
    finally:
        ray.shutdown()

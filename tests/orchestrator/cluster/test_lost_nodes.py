"""A node lost while its run trains, one that comes later, and one that can't be reached. Minutes long.

Heads without a CPU, so that runs train on the other nodes; all of them are on this machine.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ray.cluster_utils import Cluster

from tests.support.mlflow_view import seen
from tests.support.processes import (
    descendants,
    nodes_of_workers,
    of_kind,
    results,
    runs,
    started,
    wait_for,
    wait_for_nodes,
)

pytestmark = pytest.mark.long
FLAGS = ("--only", "modalities", "video", "--address")
ENV = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}


@pytest.fixture
def storage(undisturbed: tuple[Path, str], tmp_path: Path) -> Path:
    shutil.copytree(undisturbed[0] / "shards", tmp_path / "storage/shards")
    return tmp_path / "storage"


def trains(storage: Path) -> bool:
    return any(folder.history() for folder in runs(storage, "pending"))


def check(storage: Path, undisturbed: Path, gave: Callable, address: str, reasons: tuple[str, ...]) -> None:
    """The run was tried again once, on another node, and gave what it gives undisturbed."""
    [run] = results(storage)["runs"].values()
    [row] = run["retried"]
    assert run["status"] == "done" and any(words in row["reason"] for words in reasons)
    assert row["reason"].split(" (")[0] in (storage / "reports/full_grid/report.html").read_text()
    assert gave(storage).items() <= gave(undisturbed).items() and len(gave(storage)) == 1
    seen(storage)
    first, second = nodes_of_workers(address)
    assert len(first) == len(second) == 1 and first != second


def test_a_node_lost_and_one_that_comes_later(
    cluster: Callable[..., Cluster], grid_command: Callable, gave: Callable, undisturbed: tuple[Path, str],
    storage: Path, tmp_path: Path,
):  # fmt: skip
    """The only node with room for the run dies with all of its processes; the run goes on where a new one is."""
    made, log = cluster(0, 1), tmp_path / "log"
    [node] = made.worker_nodes
    raylet = node.all_processes["raylet"][0].process.pid
    with started(grid_command(storage, *FLAGS, made.address), log, ENV) as driver:
        wait_for(lambda: trains(storage) and of_kind("worker", raylet), driver, log)
        below = descendants(raylet)
        for number in (raylet, *below):
            os.kill(number, signal.SIGKILL)
        made.remove_node(node, allow_graceful=False)
        made.add_node(num_cpus=1)
        assert driver.wait(500) == 0, log.read_text()
    check(storage, undisturbed[0], gave, made.address, ("the node of one of its processes was lost", "was killed"))


def test_a_spot_node_that_is_taken_back(
    cluster: Callable[..., Cluster], grid_command: Callable, gave: Callable, undisturbed: tuple[Path, str],
    storage: Path, tmp_path: Path,
):  # fmt: skip
    """Ray is told before: the run keeps a checkpoint, goes on where a new node is, and has used up no try."""
    made, log = cluster(0, 1), tmp_path / "log"
    [node] = made.worker_nodes
    raylet = node.all_processes["raylet"][0].process.pid
    about = ["--address", made.address, "--node-id", node.node_id, "--reason", "DRAIN_NODE_REASON_PREEMPTION"]
    about += ["--reason-message", "taken back", "--deadline-remaining-seconds", "60"]
    with started(grid_command(storage, *FLAGS, made.address, "--spot"), log, ENV) as driver:
        wait_for(lambda: of_kind("worker", raylet), driver, log)
        drain = [sys.executable, "-m", "ray.scripts.scripts", "drain-node", *about]
        subprocess.run(drain, env=ENV, check=True, timeout=60)
        # With a folder of its own for the code, as on a machine of its own: in a shared one it would unpack the code
        # once more, under the feet of the worker that still runs on the first node.
        made.add_node(num_cpus=1, runtime_env_dir_name="second")
        assert driver.wait(500) == 0, log.read_text()
    check(storage, undisturbed[0], gave, made.address, ("was taken away",))
    [run] = results(storage)["runs"].values()
    assert run["retried"][0]["free"] and run["retried"][0]["epoch"] >= 1


@contextmanager
def apart(address: str) -> Iterator[tuple[Callable[[str], object], subprocess.Popen]]:
    """A node of one CPU in a network of its own; gives what sets its only link "up" or "down", and its process."""
    # Of this process alone: what an earlier one that was killed left behind is in nobody's way.
    name, net = f"faults{os.getpid() % 100000}", f"10.213.{os.getpid() % 250}"
    words = f"--address={address} --num-cpus=1 --block --disable-usage-stats"
    script = f"""
    ip netns add {name} && ip link add {name} type veth peer name peer netns {name}
    ip addr add {net}.1/30 dev {name} && ip link set {name} up
    ip -n {name} addr add {net}.2/30 dev peer && ip -n {name} link set peer up && ip -n {name} link set lo up
    ip -n {name} route add default via {net}.1
    """
    subprocess.run(["sh", "-ec", script], check=True)
    command = ["ip", "netns", "exec", name, sys.executable, "-m", "ray.scripts.scripts", "start", *words.split()]
    node = subprocess.Popen([*command, f"--node-ip-address={net}.2"], env=ENV, stdout=subprocess.DEVNULL)
    try:
        yield lambda how: subprocess.run(["ip", "link", "set", name, how], check=True), node
    finally:
        left = descendants(node.pid)
        for number in (node.pid, *left):
            if Path(f"/proc/{number}").exists():
                os.kill(number, signal.SIGKILL)
        node.wait(60)
        subprocess.run(["sh", "-c", f"ip link del {name}; ip netns del {name}"], check=True)


PROBE = "ip netns add faults-probe && ip netns del faults-probe"


@pytest.mark.skipif(
    subprocess.run(["sh", "-c", PROBE], capture_output=True).returncode != 0, reason="needs root for another network"
)
def test_a_node_that_cannot_be_reached(
    cluster: Callable[..., Cluster], grid_command: Callable, gave: Callable, undisturbed: tuple[Path, str],
    storage: Path, tmp_path: Path,
):  # fmt: skip
    """Its worker trains on, cut off from all. The run is tried elsewhere, and what the first still wrote isn't kept."""
    made, log = cluster(0), tmp_path / "log"
    with apart(made.address) as (link, node):
        wait_for_nodes(made.address, 2)
        with started(grid_command(storage, *FLAGS, made.address), log, ENV) as driver:
            wait_for(lambda: trains(storage) and of_kind("worker", node.pid), driver, log)
            link("down")
            made.add_node(num_cpus=1)
            wait_for(lambda: runs(storage, "done") or runs(storage, "pending")[0].attempts(), driver, log, 180)
            link("up")
            assert driver.wait(500) == 0, log.read_text()
        reasons = ("gave no sign of life", "was lost", "was killed")
        check(storage, undisturbed[0], gave, made.address, reasons)

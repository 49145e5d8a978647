"""What several tests share: a real local Ray, a corpus's shards, a browser; no test inherits MLflow's environment."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from datasets import corpora
from datasets.manifest import Manifest

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from ray.cluster_utils import Cluster

    from datasets.shards import Shards
    from models.network import Network

pytest_plugins = ["tests.support.recordings.corpora", "tests.support.grids"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Of tests/datasets/test_corpus.py."""
    parser.addoption("--corpus", choices=list(corpora.CORPORA), help="test this corpus, not those that are here")
    parser.addoption("--recordings", type=Path, help="the folder of its recordings")


def pytest_configure(config: pytest.Config) -> None:
    if bool(config.getoption("--corpus")) != bool(config.getoption("--recordings")):
        raise pytest.UsageError("--corpus NAME and --recordings DIR go together.")


# Where a developer's or a batch system's environment sends MLflow is none of a test's business, nor is a proxy for what
# runs here; a process that a test starts inherits it.
NO_PROXY = ",".join(filter(None, (os.environ.get("no_proxy") or os.environ.get("NO_PROXY"), "127.0.0.1,localhost")))
os.environ |= {"no_proxy": NO_PROXY, "NO_PROXY": NO_PROXY}


def forget_mlflow() -> None:
    for name in ("TRACKING_URI", "EXPERIMENT_NAME", "EXPERIMENT_ID", "RUN_ID"):
        os.environ.pop(f"MLFLOW_{name}", None)


forget_mlflow()


@pytest.fixture(autouse=True)
def no_other_mlflow() -> Iterator[None]:
    """MLflow puts the address that a process sets into its environment."""
    forget_mlflow()
    yield
    forget_mlflow()


@pytest.fixture(scope="session")
def made(manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, dict[str, Any]]:
    """A Store with six runs that are done but weren't trained, and their specs by kind and recipe."""
    from tests.support.runs.untrained import six_done

    return six_done(tmp_path_factory.mktemp("untrained"), manifest)


@pytest.fixture(scope="module")
def depth(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder and the page of a grid on depth video, from made-up results."""
    from tests.support.runs.made_up import make, write

    folder = tmp_path_factory.mktemp("depth")
    return folder, write(make(folder / "runs"), folder)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The machine's chromium, or, where it has none, the one that `playwright install chromium` brings."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def seeded() -> None:
    import torch

    torch.manual_seed(0)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Threads that wait for one another are ten times as slow on a busy machine."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def stage1(one_thread: None) -> dict[str, Network]:
    from tests.support.runs.networks import trained

    return trained()


@pytest.fixture
def no_plots(monkeypatch):
    """Drawing is most of a report's second."""
    from orchestrator.report.analysis import plots

    monkeypatch.setattr(plots, "draw", lambda results, runs, predictions: {})


@pytest.fixture(scope="session")
def ray_local() -> Iterator[None]:
    """A Ray of its own, also where another one runs. Imported here: most tests do without its two seconds."""
    import ray

    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def inputs(manifest: Manifest) -> dict[str, Any]:
    """Of each modality: whole signals, and 8 frames of 32x32."""
    from datasets.modalities import imu, video

    return {"imu": imu.Input(manifest.longest("imu"), 6), "video": video.Input(8, 32, 8, 32)}


@pytest.fixture(scope="session")
def written(
    ray_local: None, manifest: Manifest, inputs: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Shards]:
    """The corpus's shards by modality, two clips each, as Ray Data jobs write them."""
    from datasets import sharding

    storage = tmp_path_factory.mktemp("storage")
    return {modality: sharding.write(storage, manifest, modality, given) for modality, given in inputs.items()}


@pytest.fixture(scope="session")
def free_ports() -> Callable[[int], list[int]]:
    """So many ports that nobody listens on."""

    def find(count: int) -> list[int]:
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
        ports = [s.getsockname()[1] for s in sockets]
        for s in sockets:
            s.close()
        return ports

    return find


@pytest.fixture
def cluster() -> Iterator[Callable[..., Cluster]]:
    """Makes a cluster on this machine: cluster(CPUs of the head, of another node, ...)."""
    import ray
    from ray.cluster_utils import Cluster

    made = []

    def make(*cpus: int) -> Cluster:
        node = {"num_cpus": cpus[0], "include_dashboard": True, "dashboard_port": 0}
        found = Cluster(initialize_head=True, head_node_args=node)
        made.append(found)
        for count in cpus[1:]:
            found.add_node(num_cpus=count)
        found.wait_for_nodes()
        return found

    yield make
    ray.shutdown()
    for each in made:
        each.shutdown()

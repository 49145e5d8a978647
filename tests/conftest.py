"""What several tests share: a tiny corpus, a real local Ray, and the corpus's shards."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from datasets import corpora
from datasets.corpora import synthetic
from datasets.manifest import Manifest
from datasets.signals import inertial

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from ray.cluster_utils import Cluster

    from datasets.shards import Shards
    from models.network import Network

ROOT = Path(__file__).parent.parent
Command = Callable[..., list[str]]


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
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve clips: 3 actions x 2 subjects x 2 trials. Copy them to spoil them."""
    return synthetic.write(tmp_path_factory.mktemp("recordings"), subjects=2, trials=2, actions=3)


@pytest.fixture(scope="session")
def six(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six classes, the least that five can be hidden of, of two subjects: twelve clips."""
    return synthetic.write(tmp_path_factory.mktemp("six"), subjects=2, trials=1, actions=6)


@pytest.fixture(scope="session")
def class_folders(six: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same clips in a folder a class; subjects 1 and 2 are groups 1 and 8, which split-1 tests and trains."""
    folder = tmp_path_factory.mktemp("class-folders")
    for video in sorted((six / "RGB").iterdir()):
        action, subject, trial = (int(word[1:]) for word in video.name.split("_")[:3])
        clip = folder / f"class{action}" / f"v_class{action}_g{7 * subject - 6:02}_c{trial:02}"
        clip.parent.mkdir(exist_ok=True)
        shutil.copy(video, clip.with_suffix(".avi"))
        signal = inertial.read_mat(six / "Inertial" / video.name.replace("color.avi", "inertial.mat"))
        np.savetxt(clip.with_suffix(".csv"), signal, "%.9g", ",", header=",".join(inertial.CHANNELS), comments="")
    return folder


@pytest.fixture(scope="session")
def manifest(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return corpora.read("synthetic", recordings, tmp_path_factory.mktemp("cache"), ("imu", "video"))


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In MMAct's layout: one subject at the desk, four instances, 16 clips."""
    from datasets.corpora import synthetic_mmact

    return synthetic_mmact.write(tmp_path_factory.mktemp("mmact"), subjects=(14,), scenes=(3,), sessions=(2,))


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Six frames of H.264."""
    from tests.support.mmact_files import SIX, written

    return written(tmp_path_factory.mktemp("film") / "film.mp4", SIX).read_bytes()


@pytest.fixture
def tree(tmp_path: Path, film: bytes) -> Callable[..., Path]:
    """Writes instances with all sensors and two cameras, as tree((subject, scene, session, class), ...)."""
    from tests.support.mmact_files import write_instances

    def write(*instances: tuple, sensors: str = "", videos: str = "trimmed", cameras: tuple = (1, 2)) -> Path:
        write_instances(tmp_path, film, instances, sensors, videos, cameras)
        return tmp_path

    return write


@pytest.fixture(scope="session")
def files(recordings: Path) -> dict[str, Path]:
    """A clip's video and signal."""
    from tests.support.untrained import CLIP

    return {"video": recordings / f"RGB/{CLIP}_color.avi", "imu": recordings / f"Inertial/{CLIP}_inertial.mat"}


@pytest.fixture(scope="session")
def csv(files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clip's signal, its columns in another order."""
    signal, file = inertial.read_mat(files["imu"]), tmp_path_factory.mktemp("csv") / "signal.csv"
    order = [3, 1, 2, 0, 5, 4]
    header = ",".join(inertial.CHANNELS[i] for i in order)
    np.savetxt(file, signal[:, order], delimiter=",", header=header, comments="", fmt="%.9g")
    return file


@pytest.fixture(scope="session")
def made(manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, dict[str, Any]]:
    """A Store with six runs that are done but weren't trained, and their specs by kind and recipe."""
    from tests.support.untrained import six_done

    return six_done(tmp_path_factory.mktemp("untrained"), manifest)


@pytest.fixture(scope="module")
def depth(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder and the page of a grid on depth video, from made-up results."""
    from tests.support.made_up import make, write

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
    from tests.support.networks import trained

    return trained()


@pytest.fixture
def no_plots(monkeypatch):
    """Drawing is most of a report's second."""
    from orchestrator.report import html

    monkeypatch.setattr(html, "_draw", lambda results, runs, predictions: {})


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
    from datasets import shards

    storage = tmp_path_factory.mktemp("storage")
    return {modality: shards.write(storage, manifest, modality, given) for modality, given in inputs.items()}


@pytest.fixture(scope="session")
def grid_recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four subjects, six actions, two trials: 48 clips, for whole grids."""
    return synthetic.write(tmp_path_factory.mktemp("corpus"), subjects=4, trials=2, actions=6)


@pytest.fixture(scope="session")
def grid_command(grid_recordings: Path) -> Command:
    """The words of `python experiments/full_grid.py` on these recordings: command(storage, *flags)."""

    def command(storage: Path, *flags: str) -> list[str]:
        words = [sys.executable, "experiments/full_grid.py", "--corpus", "utd-mhad", "--recordings", grid_recordings]
        return [*map(str, words), "--storage", str(storage), *flags]

    return command


@pytest.fixture(scope="session")
def start(grid_command: Command) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs it to its end."""

    def run(storage: Path, *flags: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(grid_command(storage, *flags), cwd=ROOT, capture_output=True, text=True, timeout=900)

    return run


@pytest.fixture(scope="session")
def undisturbed(
    start: Callable[..., subprocess.CompletedProcess[str]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """The storage of six runs (two seeds of Table 2) that nothing disturbed, and what the terminal showed."""
    storage = tmp_path_factory.mktemp("undisturbed")
    ended = start(storage, "--only", "modalities", "--seeds", "2")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return storage, ended.stdout


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


@pytest.fixture(scope="session")
def gave() -> Callable[[Path], dict[str, dict[str, Any]]]:
    """All that the runs of a storage gave, by key, less the seconds they took."""
    import pyarrow.parquet as pq

    def read(storage: Path) -> dict[str, dict[str, Any]]:
        found = {}
        for run in sorted((storage / "runs").iterdir()):
            rows = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
            found[run.name] = {
                "metrics": json.loads((run / "metrics.json").read_text()),
                "predictions": pq.read_table(run / "predictions.parquet").to_pydict(),
                "history": [{name: row[name] for name in ("epoch", "loss", "train_top1")} for row in rows],
            }
        return found

    return read


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

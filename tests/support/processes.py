"""A grid as a process of its own, the processes that Ray started for it, and waiting for what it does."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import ray
from ray.util.state import list_actors

from orchestrator.storage.run_folder import RunFolder
from orchestrator.storage.store import Store

ROOT = Path(__file__).parents[2]
# What Ray calls the processes of a run.
KINDS = {"worker": "ray::RayTrainWorker", "trial": "ray::ImplicitFunc"}


@contextmanager
def started(words: list[str], log: Path, env: dict[str, str] | None = None) -> Iterator[subprocess.Popen]:
    """In a process group of its own, as a terminal starts a command."""
    with log.open("w") as out:
        process = subprocess.Popen(
            words, cwd=ROOT, env=env, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait(60)


def wait_for(what: Callable[[], object], process: subprocess.Popen, log: Path, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert process.poll() is None and time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


def descendants(*roots: int) -> dict[int, str]:
    """The command of each process below these."""
    parent, name = {}, {}
    for folder in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            number = int(folder.name)
            parent[number] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            name[number] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    found, newest = {}, set(roots)
    while newest:
        newest = {number for number in parent if parent[number] in newest and number not in found}
        found |= {number: name[number] for number in newest if number in name}
    return found


def of_kind(kind: str, *roots: int) -> list[int]:
    """A trial's name says what it is at work on, or nothing while it is idle."""
    return [number for number, name in descendants(*roots).items() if name.startswith(KINDS[kind])]


def done(storage: Path) -> dict[str, int]:
    """When each run that is done was."""
    return {folder.key: (folder.path / "done.json").stat().st_mtime_ns for folder in runs(storage, "done")}


def runs(storage: Path, status: str) -> list[RunFolder]:
    return [folder for folder in Store(storage).runs() if folder.status == status]


def in_training(storage: Path, since: float) -> list[Path]:
    """Histories with an epoch of this start; a run that was cut off earlier has old ones."""
    files = [folder.path / "history.jsonl" for folder in runs(storage, "pending")]
    return [file for file in files if file.exists() and file.stat().st_mtime > since and file.read_text()]


def results(storage: Path, plan: str = "full_grid") -> dict:
    return json.loads((storage / "reports" / plan / "results.json").read_text())


def nodes_of_workers(address: str) -> list[set[str]]:
    """Of each run, the nodes its workers were on."""
    ray.init(address=address, log_to_driver=False)
    actors = list_actors(filters=[("class_name", "=", "RayTrainWorker")], detail=True, limit=1000)
    ray.shutdown()
    groups: dict[str, set[str]] = {}
    for actor in actors:
        assert actor.placement_group_id and actor.node_id
        groups.setdefault(actor.placement_group_id, set()).add(actor.node_id)
    return list(groups.values())


def wait_for_nodes(address: str, count: int) -> None:
    """Also for nodes that the Cluster didn't start itself."""
    ray.init(address=address, log_to_driver=False)
    deadline = time.monotonic() + 120
    while sum(node["Alive"] for node in ray.nodes()) < count:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    ray.shutdown()

"""`ray job submit` to a Ray that was started by hand: the same grid, no install of the project, from another folder."""

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.long


@dataclass
class Head:
    dashboard: str
    env: dict[str, str]
    python: str

    def job(self, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        command = [self.python, "-m", "ray.scripts.scripts", "job", words[0], "--address", self.dashboard, *words[1:]]
        return subprocess.run(command, cwd=cwd, env=self.env, capture_output=True, text=True, timeout=600)


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter that has every dependency and not this project: the editable install's .pth isn't read there."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    packages = sysconfig.get_path("purelib", vars={"base": str(folder / "venv")})
    (Path(packages) / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = folder / "venv/bin/python"
    look = "import importlib.util as u, ray, torch; print(u.find_spec('orchestrator'), u.find_spec('datasets'))"
    found = subprocess.run([python, "-c", look], cwd=folder, capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["None", "None"]
    return python


@pytest.fixture(scope="module")
def head(
    python: Path, free_ports: Callable[[int], list[int]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Head]:
    with started(python, free_ports(4), tmp_path_factory.mktemp("home")) as found:
        yield found


@contextmanager
def started(python: Path, ports: list[int], home: Path, **more: str) -> Iterator[Head]:
    """A Ray of its own, with `more` in its environment."""
    # A Ray that another test started here leaves settings of its own, its token mode among them.
    dropped = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV")
    env = {name: value for name, value in os.environ.items() if name not in dropped and not name.startswith("RAY_")}
    env |= {"HOME": str(home), "PATH": f"{python.parent}{os.pathsep}{env['PATH']}"} | more
    gcs, dashboard, client, agent = ports
    temporary = tempfile.mkdtemp(prefix="ray-")  # short: sockets lie below it, and a socket's path has 107 characters
    command = f"start --head --block --num-cpus=2 --port={gcs} --dashboard-port={dashboard} --disable-usage-stats"
    command += f" --ray-client-server-port={client} --dashboard-agent-listen-port={agent} --temp-dir={temporary}"
    log = home / "head.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [python, "-m", "ray.scripts.scripts", *command.split()],
            env=env, cwd=home, stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    found = Head(f"http://127.0.0.1:{dashboard}", env, str(python))
    try:
        deadline = time.monotonic() + 120
        while found.job("list", cwd=home).returncode:
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(1)
        yield found
    finally:
        process.send_signal(signal.SIGTERM)  # it stops all that it started
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        shutil.rmtree(temporary, ignore_errors=True)


def test_a_submitted_grid_gives_what_a_local_one_gives(
    head: Head, grid_command: Callable, gave: Callable, undisturbed: tuple[Path, str], tmp_path: Path
):
    storage = tmp_path / "storage"
    words = ["python", *grid_command(storage, "--only", "modalities")[1:]]
    ended = head.job("submit", "--working-dir", str(ROOT), "--", *words, cwd=tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "succeeded" in ended.stdout
    expected = gave(undisturbed[0])
    found = gave(storage)
    assert len(found) == 3
    assert found == {key: expected[key] for key in found}
    assert (storage / "reports/full_grid/report.html").exists()


def test_without_flags_it_runs_the_demo_grid_and_says_so_first(head: Head, tmp_path: Path):
    words = ("--no-wait", "--submission-id", "demo", "--working-dir", str(ROOT), "--")
    submitted = head.job("submit", *words, "python", "experiments/full_grid.py", cwd=tmp_path)
    assert submitted.returncode == 0, submitted.stdout + submitted.stderr
    first, deadline = "", time.monotonic() + 120
    while "full_grid" not in first and time.monotonic() < deadline:
        time.sleep(1)
        shown = head.job("logs", "demo", cwd=tmp_path).stdout.splitlines()
        first = next((line for line in shown if "scale" in line), "")
    home = head.env["HOME"]
    assert "full_grid: demo scale on the synthetic corpus, on the Ray at " in first
    # Not in the job's own folder, which goes with the job.
    assert first.endswith(f"storage {home}/output")
    head.job("stop", "demo", cwd=tmp_path)


def test_the_images_code_runs_unless_a_job_brings_its_own(
    python: Path, free_ports: Callable[[int], list[int]], grid_command: Callable, tmp_path: Path
):
    """As in the image, where PYTHONPATH leads to the code; the copy's driver and workers leave marks."""
    app, marks, home = tmp_path / "app", tmp_path / "marks", tmp_path / "home"
    for folder in (marks, home):
        folder.mkdir()
    for package in ("datasets", "models", "orchestrator", "experiments"):
        shutil.copytree(ROOT / package, app / package, ignore=shutil.ignore_patterns("__pycache__"))
    for module in ("driver/launch", "worker/train"):
        file = app / f"orchestrator/{module}.py"
        file.write_text(f"{file.read_text()}\n__import__('pathlib').Path('{marks}/{file.stem}').touch()\n")
    with started(python, free_ports(4), home, PYTHONPATH=str(app)) as found:
        flags = grid_command(tmp_path / "baked", "--only", "modalities", "imu")[2:]
        ended = found.job("submit", "--", "python", str(app / "experiments/full_grid.py"), *flags, cwd=tmp_path)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert {mark.name for mark in marks.iterdir()} == {"launch", "train"}
        for mark in marks.iterdir():
            mark.unlink()
        flags = grid_command(tmp_path / "brought", "--only", "modalities", "imu")[1:]
        ended = found.job("submit", "--working-dir", str(ROOT), "--", "python", *flags, cwd=tmp_path)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert not list(marks.iterdir())
    assert all(len(list((tmp_path / s / "runs").glob("*/done.json"))) == 1 for s in ("baked", "brought"))

"""The Ray that docker/compose.yaml starts, by its own commands, on this machine."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docker.deployment import compose

pytestmark = pytest.mark.long
ROOT = Path(__file__).parents[2]


def test_composes_ray_starts_with_its_token_and_no_other(
    tmp_path: Path, free_ports: Callable[[int], list[int]]
) -> None:
    """Head and worker by compose's own commands, on ports of their own; what is asked with another token is refused."""
    port, dashboard, *others = free_ports(6)
    services, token = compose()["services"], "a" * 64
    temporary = tempfile.mkdtemp(prefix="ray-")  # short: sockets lie below it

    def here(command: str) -> list[str]:
        words = command.replace("6379", str(port)).replace("8265", str(dashboard)).replace("head:", "127.0.0.1:")
        return [sys.executable, "-m", "ray.scripts.scripts", *words.split()[1:]]

    env = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    env |= services["head"]["environment"] | {"RAY_AUTH_TOKEN": token, "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    started = []

    def start(*more: str, service: str) -> None:
        with (tmp_path / f"{service}.log").open("w") as out:
            words = [*here(services[service]["command"]), "--disable-usage-stats", *more]
            started.append(subprocess.Popen(words, env=env, stdout=out, stderr=out, start_new_session=True))

    def ask(*words: str, **changed: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(words, env=env | changed, capture_output=True, text=True, timeout=120)

    health = here(" ".join(services["worker"]["healthcheck"]["test"][1:]))
    assert ask(*health).returncode != 0  # nobody is there yet
    client, agents = others[0], others[1:]
    try:
        start(
            f"--temp-dir={temporary}", f"--ray-client-server-port={client}",
            f"--dashboard-agent-listen-port={agents[0]}", service="head",
        )  # fmt: skip
        deadline = time.monotonic() + 120
        while ask(*health).returncode:
            assert time.monotonic() < deadline, (tmp_path / "head.log").read_text()
        start("--num-cpus=2", "--num-gpus=1", f"--dashboard-agent-listen-port={agents[1]}", service="worker")
        look = "import ray; ray.init(log_to_driver=False); print({k: v for k, v in ray.cluster_resources().items()})"
        submit = here(f"ray job submit --address http://127.0.0.1:{dashboard} --")
        while "'GPU': 1.0" not in (job := ask(*submit, sys.executable, "-c", look)).stdout:
            assert time.monotonic() < deadline, job.stdout + job.stderr + (tmp_path / "worker.log").read_text()
        assert "'CPU': 2.0" in job.stdout and "succeeded" in job.stdout
        other = ask(*submit, "echo", "hello", RAY_AUTH_TOKEN="b" * 64)
        assert other.returncode != 0 and "hello" not in other.stdout
        assert ask(*health, RAY_AUTH_TOKEN="b" * 64).returncode != 0
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait(60)
        shutil.rmtree(temporary, ignore_errors=True)

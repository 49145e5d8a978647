"""Whether what is at an address is a Ray that can be joined; and what of this project's folder goes there."""

import http.server
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import ray

from orchestrator.cluster import joining
from tests.support.pages import ROOT

ALONE = ["unshare", "-r", "--pid", "--fork", "--kill-child", "--mount-proc", "--"]
needs_pids = pytest.mark.skipif(
    not shutil.which("unshare") or subprocess.run([*ALONE, "true"], check=False).returncode != 0,
    reason="needs a process namespace, in which no Ray is found",
)
CHECK = "import sys; from orchestrator.cluster import joining\n"
CHECK += "from orchestrator.driver.terminal import refuse_bad_input as ask\n"
CHECK += "joining.ANSWER_SECONDS = joining.NODE_SECONDS = 1\nsys.exit(ask(lambda: joining.check(sys.argv[1])))"


@pytest.fixture(autouse=True)
def no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(joining, "ANSWER_SECONDS", 1.0)


@pytest.fixture
def page() -> Iterator[str]:
    """A web server, as the dashboard is one."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as served:
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        yield f"127.0.0.1:{served.server_port}"
        served.shutdown()
        thread.join()


def test_where_nothing_answers_it_is_said_at_once(free_ports: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"127.0.0.1:{free_ports(1)[0]}"
    with pytest.raises(ValueError, match=rf"^--address {address}: no Ray is found \(Connection.*refused\)\. Start one"):
        joining.check(address)
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(ValueError, match=rf"^RAY_ADDRESS={address}: no Ray is found"):
        joining.check(address)


@pytest.mark.parametrize("address", ["nobody.invalid:6379", "127.0.0.1", "6379", "127.0.0.1:99999", "a b:1", "[::1]:1"])
def test_what_is_no_address_is_named(address: str) -> None:
    with pytest.raises(ValueError, match=r"no Ray is found .* leave the address out") as refused:
        joining.check(address)
    assert "\n" not in str(refused.value) and address in str(refused.value)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("http://127.0.0.1:8265", "http://127.0.0.1:8265 is the dashboard's"),
        ("https://me:s3cret@lab/ray", r"https://\*\*\*@lab/ray is the dashboard's"),
        ("ray://head:10001", "ray://head:10001 is Ray Client's"),
        ("redis://head:6379", "redis://head:6379 is no address of a Ray"),
    ],
)
def test_an_address_of_another_kind_is_told_apart(address: str, words: str) -> None:
    with pytest.raises(
        ValueError, match=f"{words}.*, by which no experiment can be run. Give the head's own, as in HOST"
    ):
        joining.check(address)


def test_what_else_answers_is_no_ray(page: str) -> None:
    with pytest.raises(ValueError, match=r"something answers there, but not as the head of a Ray does \(UNAVAILABLE\)"):
        joining.check(page)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.listen()
        with pytest.raises(ValueError, match=r"not as the head of a Ray does \(DEADLINE_EXCEEDED\)"):
            joining.check(f"127.0.0.1:{silent.getsockname()[1]}")


def ask(address: str, *before: str, **env: str) -> subprocess.CompletedProcess[str]:
    words = [*before, sys.executable, "-c", CHECK, address]
    return subprocess.run(words, cwd=ROOT, env=os.environ | env, capture_output=True, text=True, timeout=100)


def test_a_ray_that_answers_is_joined_if_it_is_the_same(ray_local: None, monkeypatch: pytest.MonkeyPatch) -> None:
    address = ray.get_runtime_context().gcs_address
    joining.check(address)
    with monkeypatch.context() as older:
        older.setattr(ray, "__version__", "2.59.0")
        with pytest.raises(ValueError, match=r"is version 2\.60\.\d on Python 3\S+, and this process has 2\.59\.0 on"):
            joining.check(address)
    monkeypatch.setattr(joining, "NODE_SECONDS", 0)
    with pytest.raises(ValueError, match="this machine is none of the nodes of the Ray there"):
        joining.check(address)


def test_a_ray_with_another_token_refuses(ray_local: None) -> None:
    address = ray.get_runtime_context().gcs_address
    for env in ({"RAY_AUTH_TOKEN": "b" * 64, "RAY_AUTH_MODE": "token"}, {"RAY_AUTH_MODE": "disabled"}):
        done = ask(address, **env)
        assert (done.returncode, done.stdout) == (2, ""), done.stderr
        assert done.stderr.startswith(f"error: --address {address}: the Ray there refuses this process, for it has")
        assert "RAY_AUTH_MODE=token" in done.stderr and done.stderr.count("\n") == 1


def test_a_connection_that_lacks_its_certificates_is_named(page: str) -> None:
    done = ask(page, RAY_USE_TLS="1")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"error: --address {page}: no connection can be made (") and "RAY_TLS_" in done.stderr


@needs_pids
def test_auto_where_there_is_none(tmp_path: Path) -> None:
    done = ask("auto", *ALONE, RAY_TMPDIR=str(tmp_path))
    assert done.returncode == 2 and done.stderr.startswith("error: --address auto: no Ray is found (ConnectionError:")
    assert done.stderr.count("\n") == 1


@needs_pids
def test_a_machine_that_is_no_node_is_told_so(ray_local: None) -> None:
    done = ask(ray.get_runtime_context().gcs_address, *ALONE)
    assert done.returncode == 2 and "this machine is none of the nodes of the Ray there" in done.stderr


# What is sent


def test_the_code_is_sent_and_nothing_beside_it() -> None:
    sent = {str(path.relative_to(ROOT)) for path in joining.sent(ROOT)}
    code = {path for name in joining.CODE for path in (ROOT / name).rglob("*.py")}
    assert {str(path.relative_to(ROOT)) for path in code} <= sent and "orchestrator/report/report.html.j2" in sent
    assert {path.split("/")[0] for path in sent} == set(joining.CODE)
    assert not [path for path in sent if "__pycache__" in path]


def test_recordings_among_the_code_are_named_and_those_beside_it_are_left(tmp_path: Path) -> None:
    root, recordings = tmp_path / "project", tmp_path / "recordings"
    for folder in (root / "datasets/corpora", root / "data", recordings):
        folder.mkdir(parents=True)
    for file in ("datasets/one.py", "datasets/corpora/two.py", "data/clip.bin", "clip.bin"):
        (root / file).write_bytes(bytes(400))
    assert {path.name for path in joining.sent(root)} == {"one.py", "two.py"}
    joining.check_size(root, 800)
    (recordings / "clip.bin").write_bytes(bytes(4_000_000))
    (root / "datasets/mine").symlink_to(recordings)
    with pytest.raises(ValueError, match=r"has 4 MB, 4 MB of it in datasets/mine, .* takes 1 MB\. .*/\.rayignore"):
        joining.check_size(root, 1_000_000)
    (root / ".rayignore").write_text("datasets/mine\n")
    joining.check_size(root, 800)

"""What a Ray started here takes of a machine: a folder for its sockets, a token, a user with a name."""

import os
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.cluster import local_ray
from tests.support.pages import ROOT

LONG = "net/scratch-of-the-cluster/people/someone/slurm_jobdir/1355700/tmp.t0016/local"
NAMELESS = ["unshare", "--user", "--map-user=23456", "--map-group=23456", "--"]
needs_user = pytest.mark.skipif(
    not shutil.which("unshare") or subprocess.run([*NAMELESS, "true"], check=False).returncode != 0,
    reason="needs a user namespace for a user without a name",
)


needs_network = pytest.mark.skipif(
    not shutil.which("unshare") or subprocess.run(["unshare", "-rn", "true"], check=False).returncode != 0,
    reason="needs a network namespace",
)


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_TMPDIR", "TMPDIR", "RAY_AUTH_TOKEN"):
        monkeypatch.setenv(name, "")  # so that what is set here is unset afterwards
        monkeypatch.delenv(name)


def provided(monkeypatch: pytest.MonkeyPatch, **env: object) -> tuple[str, list[str]]:
    """Ray's folder, and what is said of it."""
    said: list[str] = []
    for name, value in env.items():
        monkeypatch.setenv(name, str(value))
    local_ray._provide_folder(said.append)
    return os.environ["RAY_TMPDIR"], said


def test_a_folder_that_does_is_kept_to(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch):
    assert provided(monkeypatch) == ("/tmp", [])
    short = Path(f"/tmp/har-{os.getpid()}")
    try:
        assert provided(monkeypatch, RAY_TMPDIR="", TMPDIR=short / "made") == (str(short / "made"), [])
        assert provided(monkeypatch, RAY_TMPDIR=short, TMPDIR="/proc") == (str(short), [])
        monkeypatch.chdir(short)
        assert provided(monkeypatch, RAY_TMPDIR="below") == (str(short / "below"), [])
    finally:
        shutil.rmtree(short, ignore_errors=True)


@pytest.mark.parametrize("folder", [f"/tmp/{LONG}/of-more", "/proc", "/dev/null"])
def test_a_tmpdir_that_does_not_is_left_and_said(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found, [words] = provided(monkeypatch, TMPDIR=folder)
    assert found in ("/tmp", f"/tmp/ray-{os.getuid()}") and folder in words and found in words


def test_a_ray_tmpdir_that_does_not_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"/scratch-.* \d+ bytes, and the system takes 10\d\. Set RAY_TMPDIR to"):
        provided(monkeypatch, RAY_TMPDIR=f"/tmp/{LONG}/of-more")
    with pytest.raises(ValueError, match=r"can't make one in /proc/ray \(.*\)\. Set RAY_TMPDIR to"):
        provided(monkeypatch, RAY_TMPDIR="/proc")


def test_a_folder_as_long_as_can_be_holds_a_socket_as_long_as_rays(tmp_path_factory: pytest.TempPathFactory) -> None:
    import socket

    room = local_ray.SOCKET_BYTES - len(local_ray.SOCKET.format(os.getpid())) - 1
    folder = Path(f"/tmp/har-{os.getpid()}".ljust(room, "x"))
    try:
        assert local_ray.unfit(folder) is None and local_ray.unfit(Path(f"{folder}x")) is not None
        path = folder / local_ray.SOCKET.format(os.getpid())
        path.parent.mkdir(parents=True)
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(str(path))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_a_folder_without_room_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_ray, "ROOM_BYTES", shutil.disk_usage("/tmp").total)
    assert re.fullmatch(r"/tmp has \d+ MB free, and Ray's logs .* take \d+ MB", local_ray.unfit(Path("/tmp")) or "")


def test_a_private_folder_of_somebody_else_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = Path(f"/tmp/har-{os.getpid()}")
    try:
        assert local_ray.unfit(mine, private=True) is None and mine.stat().st_mode & 0o777 == 0o700
        monkeypatch.setattr(os, "getuid", lambda: 1)
        assert local_ray.unfit(mine, private=True) == f"{mine} belongs to somebody else"
    finally:
        shutil.rmtree(mine, ignore_errors=True)


PROVIDE = """
import os
from orchestrator.cluster import local_ray
local_ray.provide(print)
from ray._raylet import AuthenticationTokenLoader
print(len(os.environ.get("RAY_AUTH_TOKEN", "")), AuthenticationTokenLoader.instance().has_token(ignore_auth_mode=True))
"""
NAME = """
import orchestrator
import getpass, os
from pathlib import Path
print(Path.home(), getpass.getuser(), os.environ["USER"])
"""


def asked(code: str, *before: str, **given: str) -> list[str]:
    nobody = ("HOME", "USER", "LOGNAME", "LNAME", "USERNAME")
    env = {name: value for name, value in os.environ.items() if name not in nobody} | given
    words = [*before, sys.executable, "-c", code]
    done = subprocess.run(words, env=env, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1].split()


def test_a_home_that_cannot_be_written_makes_a_token_of_this_start(tmp_path: Path) -> None:
    assert asked(PROVIDE, HOME="/proc") == ["64", "True"]
    assert asked(PROVIDE, HOME=str(tmp_path)) == ["0", "True"] and (tmp_path / ".ray/auth_token").exists()


@needs_user
def test_a_user_without_a_name_gets_one_and_a_home() -> None:
    assert asked(NAME, *NAMELESS) == ["/", "23456", "23456"]
    assert asked(NAME, *NAMELESS, HOME="/data", LOGNAME="me") == ["/data", "me", "23456"]


def test_a_process_with_few_addresses_is_told_so_and_one_with_more_gets_a_small_store() -> None:
    store = "import resource, sys\nfrom orchestrator.cluster import local_ray\nlimit = float(sys.argv[1]) * 1e9\n"
    store += "resource.setrlimit(resource.RLIMIT_AS, (int(limit), int(limit)))\nprint(local_ray._object_store())"
    done = [
        subprocess.run([sys.executable, "-c", store, gb], cwd=ROOT, capture_output=True, text=True, timeout=60)
        for gb in ("8", "13")
    ]
    assert "may have 8.0 GB of addresses (ulimit -v), and torch and Ray's store take 12 GB. Raise" in done[0].stderr
    found = re.fullmatch(r"\{'object_store_memory': (\d+)\}\n", done[1].stdout)
    assert found and 0 < int(found[1]) <= 3.25e9
    assert local_ray._object_store() == {} or resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY


@needs_network
def test_a_machine_that_does_not_reach_itself_is_told_so() -> None:
    """Its loopback interface is down, as in a new network namespace."""
    ask = "from orchestrator.cluster import local_ray; local_ray._check_address()"
    words = ["unshare", "-rn", sys.executable, "-c", ask]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert "this machine doesn't reach itself at its own address 127.0.0.1 (Network is unreachable)" in done.stderr
    local_ray._check_address()

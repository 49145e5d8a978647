"""How many CPUs may be used, by affinity and by cgroups of both versions, made up in a folder."""

import os
from pathlib import Path

import pytest

from datasets import cpus

V1 = "3:cpuset:/\n2:cpu,cpuacct:{}\n0::/\n"
V2 = "0::{}\n"


@pytest.fixture(autouse=True)
def machine_of_64(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(64), raising=False)


@pytest.mark.parametrize(
    ("kind", "name", "files", "count"),
    [
        (V2, "/", {"cpu.max": "200000 100000\n"}, 2),
        (V2, "/", {"cpu.max": "max 100000\n"}, 64),
        (V2, "/", {}, 64),
        (V2, "/", {"cpu.max": "150000 100000\n"}, 2),
        (V2, "/", {"cpu.max": "5000 100000\n"}, 1),
        (V2, "/system.slice/job", {"system.slice/job/cpu.max": "300000 100000\n", "cpu.max": "max 100000"}, 3),
        # What a group above allows is less than its own.
        (V2, "/slurm/job/step", {"slurm/job/step/cpu.max": "max 1000", "slurm/job/cpu.max": "4000 1000"}, 4),
        (V2, "/slurm/job", {"slurm/job/cpu.max": "8000 1000", "slurm/cpu.max": "4000 1000"}, 4),
        # The machine's name of a group, of which a container sees the inside only.
        (V2, "/docker/0a1b", {"cpu.max": "200000 100000\n"}, 2),
        (V2, "/../outside", {"cpu.max": "200000 100000\n"}, 2),
        (V1, "/", {"cpu,cpuacct/cpu.cfs_quota_us": "300000\n", "cpu,cpuacct/cpu.cfs_period_us": "100000\n"}, 3),
        (V1, "/", {"cpu,cpuacct/cpu.cfs_quota_us": "-1\n", "cpu,cpuacct/cpu.cfs_period_us": "100000\n"}, 64),
        (V1, "/a/b", {"cpu,cpuacct/a/cpu.cfs_quota_us": "5000", "cpu,cpuacct/a/cpu.cfs_period_us": "1000"}, 5),
        (V1, "/", {"cpu.max": "100000 100000\n", "cpu,cpuacct/cpu.cfs_quota_us": "damaged"}, 1),
    ],
)
def test_a_quota_counts_where_it_is_least(kind: str, name: str, files: dict[str, str], count: int, tmp_path: Path):
    (tmp_path / "own").write_text(kind.format(name))
    for path, content in files.items():
        (tmp_path / "groups" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "groups" / path).write_text(content)
    assert cpus.usable(tmp_path / "own", tmp_path / "groups") == count


def test_without_cgroups_affinity_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cpus.usable(tmp_path / "none", tmp_path) == 64
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5})
    assert cpus.usable(tmp_path / "none", tmp_path) == 2
    monkeypatch.delattr(os, "sched_getaffinity")
    assert cpus.usable(tmp_path / "none", tmp_path) == 64


def test_this_process_may_use_no_more_than_there_are() -> None:
    assert 1 <= cpus.usable() <= 64

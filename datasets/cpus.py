"""How many CPUs this process may use. A batch job or a container has a few of the many that its machine has."""

import math
import os
from contextlib import suppress
from pathlib import Path, PurePosixPath

GROUPS = Path("/sys/fs/cgroup")
OWN_GROUP = Path("/proc/self/cgroup")


def usable(own_group: Path = OWN_GROUP, groups: Path = GROUPS) -> int:
    """The least of those that exist, those of the affinity (taskset, Slurm) and each cgroup's quota, rounded up.

    At least 1. joblib and Ray look at the quota of the topmost cgroup only, which is that of the whole machine where a
    job lies in a group of its own (systemd, Slurm).
    """
    counts = [float(os.cpu_count() or 1), *quotas(own_group, groups)]
    if hasattr(os, "sched_getaffinity"):  # Linux only
        counts.append(len(os.sched_getaffinity(0)))
    return max(1, math.ceil(min(counts)))


def quotas(own_group: Path, groups: Path) -> list[float]:
    """CPUs that this process' cgroup and those above it are limited to; none where there is no limit."""
    found = []
    lines = own_group.read_text().splitlines() if own_group.exists() else []
    for _, controllers, name in (line.split(":", 2) for line in lines):
        # Without a name it is version 2. Version 1 has a tree for each controller, or for some that go together.
        top = groups / controllers if "cpu" in controllers.split(",") else None if controllers else groups
        if top:
            # In a container the name may be the machine's own, which isn't there: the container's is then the topmost.
            own = PurePosixPath(name.lstrip("/"))
            found += [quota for group in (own, *own.parents) if (quota := _quota(top / group))]
    return found


def _quota(group: Path) -> float | None:
    with suppress(OSError, ValueError):
        if (file := group / "cpu.max").exists():
            quota, period = file.read_text().split()  # "max" is no number: no limit
        else:
            quota, period = ((group / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return float(quota) / float(period) if float(quota) > 0 else None
    return None

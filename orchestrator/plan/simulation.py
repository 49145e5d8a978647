"""Replay a plan on a cluster of another size, with the searcher's own scheduling and what runs took here."""

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from rich.table import Table

from orchestrator.plan.plan import Plan
from orchestrator.plan.schedule import Need, Schedule, seconds_a_clip
from orchestrator.plan.spec import RunSpec

CPUS_A_GPU = 16.0  # where only GPUs are named; a node of A40s has more
A40_FIXED = 60.0  # seconds of a run beside its steps on one A40: an estimate, never measured


@dataclass(frozen=True)
class Replay:
    """Seconds; `busy` is the share of the time that the scarcer of GPUs and CPUs was in use."""

    makespan: float
    critical: float
    busy: float
    barrier: float


def replay(plan: Plan, needs: Mapping[str, Need], seconds: Mapping[str, float], cpus: float, gpus: float) -> Replay:
    """Raises ValueError where a run would never fit."""
    for key, need in needs.items():
        if not need.fits(cpus, gpus):
            raise ValueError(f"--simulate: {plan.runs[key].name} takes {need.cpus:g} CPUs and {need.gpus:g} GPUs.")
    makespan = _makespan(plan, needs, seconds, cpus, gpus)
    stages = [
        Plan(plan.name, (), {k: spec for k, spec in plan.runs.items() if bool(spec.parents) == second})
        for second in (False, True)
    ]
    barrier = sum(_makespan(stage, needs, seconds, cpus, gpus, alone=True) for stage in stages)
    path: dict[str, float] = {}
    for key in plan.runs:
        path[key] = seconds[key] + max((path[parent] for parent in plan.parents(key)), default=0.0)
    used = [sum(seconds[key] * need for key, need in each) for each in _used(plan, needs)]
    busy = max(used[0] / cpus, used[1] / gpus if gpus else 0.0) / makespan
    return Replay(makespan, max(path.values()), busy, barrier)


def _used(plan: Plan, needs: Mapping[str, Need]) -> Sequence[list[tuple[str, float]]]:
    return [(key, needs[key].cpus) for key in plan.runs], [(key, needs[key].gpus) for key in plan.runs]


def _makespan(
    plan: Plan, needs: Mapping[str, Need], seconds: Mapping[str, float], cpus: float, gpus: float, alone: bool = False
) -> float:
    """Seconds until the last run ends; `alone`: parents outside the plan are done."""
    there = {parent for key in plan.runs for parent in plan.parents(key)} - set(plan.runs) if alone else set()
    schedule = Schedule(plan, dict(needs), cpus, gpus, done=there)
    now, running = 0.0, []
    while not schedule.finished:
        while (key := schedule.next()) is not None:
            heapq.heappush(running, (now + seconds[key], key))
        now, key = heapq.heappop(running)
        schedule.ended(key, done=True)
    return now


def durations(plan: Plan, took: Mapping[str, float], clips: int) -> tuple[dict[str, float], str]:
    """Seconds of each run of a plan, and in words where they come from. `took` has the runs that are done.

    A run that is done took what it took; others the median seconds a clip and epoch of the done ones of their stage on
    the same modalities. Without any they are an estimate for A40s.
    """
    rate: dict[str, float | None] = {}
    words = []
    for kind in dict.fromkeys(spec.kind for spec in plan.runs.values()):
        keys = [key for key, spec in plan.runs.items() if spec.kind == kind]
        known = [seconds / _work(plan.runs[key], clips) for key in keys if (seconds := took.get(key))]
        rate[kind] = median(known) if known else None
        source = f"measured, {len(known)} of {len(keys)} done" if known else "estimated for A40s, never measured"
        words.append(f"{kind} runs: {source}")
    found: dict[str, float] = {}
    for key, spec in plan.runs.items():
        guess = A40_FIXED + seconds_a_clip(spec) * _work(spec, clips) / spec.workers
        per_clip = rate[spec.kind]
        found[key] = took.get(key) or (guess if per_clip is None else per_clip * _work(spec, clips))
    return found, "; ".join(words)


def _work(spec: RunSpec, clips: int) -> float:
    """Clips times epochs."""
    return clips * spec.data.ratio * max(1, spec.optimization.epochs)


def parse(words: str) -> tuple[float, float]:
    """CPUs and GPUs of "gpus=64", "cpus=8" or "gpus=64,cpus=512"; raises ValueError for other words."""
    try:
        found = {name: float(value) for name, value in (word.split("=") for word in words.split(","))}
    except ValueError:
        found = {}
    if not found or not found.keys() <= {"cpus", "gpus"} or min(found.values()) <= 0:
        raise ValueError(f"--simulate {words}: give gpus=N, cpus=N or both with a comma between.")
    gpus = found.get("gpus", 0.0)
    return found.get("cpus", CPUS_A_GPU * gpus), gpus


def table(plan: Plan, seconds: Mapping[str, float], needs: Mapping[str, Need], cpus: float, gpus: float) -> Table:
    """Clusters of 1, 2, 4 ... up to the one asked for."""
    named = "GPUs" if gpus else "CPUs"
    out = Table(
        named, "hours", "critical path", "in use", "with a barrier", title=f"{plan.name}: {len(plan.runs)} runs"
    )
    hours: Callable[[float], str] = lambda s: f"{s / 3600:.2f}"  # noqa: E731
    largest, size = (gpus or cpus), 1.0
    sizes = []
    while size < largest:
        sizes.append(size)
        size *= 2
    for size in [*sizes, largest]:
        try:
            r = replay(plan, needs, seconds, cpus * size / largest, gpus * size / largest)
        except ValueError:
            continue  # a run needs more than this
        out.add_row(f"{size:g}", hours(r.makespan), hours(r.critical), f"{100 * r.busy:.0f} %", hours(r.barrier))
    if not out.row_count:
        raise ValueError(f"--simulate: {largest:g} {named} hold not even one of these runs.")
    return out

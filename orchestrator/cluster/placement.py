"""What a run takes of the cluster, how many fit side by side, and whether every run can be placed."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import ray
from ray.autoscaler.sdk import request_resources

from orchestrator.cluster.nodes import alive
from orchestrator.plan.plan import Plan
from orchestrator.plan.schedule import Need
from orchestrator.plan.spec import RunSpec
from orchestrator.plan.study import Study
from orchestrator.storage.store import Store

Gpus = Mapping[str, float]  # of a worker, by stage
# Half a CPU of each run is for Ray Data's tasks: workers that hold every CPU would wait for data for ever.
DATA_CPUS = 0.5
# A cloud's GPU node with an image of some gigabytes is there within this.
ROOM_SECONDS = 1800.0
HEAD = "node:__internal_head__"
# Memory of a trial, which is Ray Train's controller too, and of two helpers: measured at 0.76 GB (experiments/LOG.md).
TRIAL_BYTES = 0.8e9
# So many of a run's threads share a CPU: two runs of two each on two cores take less time together than one after the
# other (experiments/LOG.md), for one goes on where the other starts, waits or tests.
THREADS_A_CPU = 2


def worker_resources(spec: RunSpec, gpus: Gpus) -> dict[str, float]:
    if share := gpus[spec.stage]:
        return {"CPU": spec.threads - DATA_CPUS, "GPU": share}
    return {"CPU": max(1, spec.threads / THREADS_A_CPU) - DATA_CPUS}


def config_of(spec: RunSpec, study: Study, store: Store, read: str, spot: bool = False) -> dict[str, Any]:
    """All that a trial is told of a run (`orchestrator/trial/run.py:train_and_score`)."""
    return {
        "key": spec.key,
        "storage": str(store.root),
        "start": store.start,
        "read": read,
        "spot": spot,
        "resources": worker_resources(spec, study.gpus),
    }


def need(spec: RunSpec, gpus: Gpus) -> Need:
    resources = worker_resources(spec, gpus)
    return Need(spec.workers * resources["CPU"] + DATA_CPUS, spec.workers * resources.get("GPU", 0.0))


def capacity() -> tuple[float, float]:
    total = ray.cluster_resources()
    return total.get("CPU", 0.0), total.get("GPU", 0.0)


def slots(spec: RunSpec, gpus: Gpus, nodes: Sequence[dict[str, float]]) -> int:
    """How many workers of such a run the nodes hold; a worker lies on one node."""
    wanted = worker_resources(spec, gpus)
    return sum(min(int((node.get(k, 0) + 1e-6) // v) for k, v in wanted.items()) for node in nodes)


def at_once(spec: RunSpec, gpus: Gpus, nodes: Sequence[dict[str, float]], concurrency: int | None) -> int:
    """How many such runs the nodes hold side by side, if nothing else ran."""
    total = need(spec, gpus)
    held = [slots(spec, gpus, nodes) // spec.workers]
    for name, taken in (("CPU", total.cpus), ("GPU", total.gpus)):
        if taken:
            held.append(int((sum(node.get(name, 0.0) for node in nodes) + 1e-6) // taken))
    return min([*held, concurrency or max(held)])


def trial_resources(most: int, nodes: Sequence[dict[str, float]]) -> dict[str, float]:
    """What Tune asks for a trial where `most` run side by side; no CPU, for it only waits for its workers.

    On the head, which outlives the other nodes, if that has the memory for all; else wherever there is memory: the
    trials of a node that is lost are begun again.
    """
    head = next(node for node in nodes if HEAD in node)
    return {HEAD: 0.001} if most * TRIAL_BYTES <= head["memory"] else {"memory": TRIAL_BYTES}


def check_placeable(plan: Plan, gpus: Gpus, nodes: list[dict[str, float]], here: bool = True) -> None:
    """Raises ValueError naming a stage whose runs no waiting would ever place. `nodes`: resources of each node.

    `here`: Ray was started here, and has the GPUs that CUDA_VISIBLE_DEVICES lets it have.
    """
    hidden = f" {hiding} may hide GPUs of this machine: unset it first." if (hiding := hiding_gpus(here)) else ""
    for spec in kinds_of(plan):
        wanted = worker_resources(spec, gpus)
        total = need(spec, gpus)
        have = [sum(node.get(k, 0) for node in nodes) for k in ("CPU", "GPU")]
        if slots(spec, gpus, nodes) < spec.workers or not total.fits(*have):
            raise ValueError(
                f"a {spec.stage} run can never be placed: it takes {spec.workers} worker(s) of {wanted} and {DATA_CPUS}"
                f" CPU for Ray Data; the cluster has {len(nodes)} node(s) with {have[0]:g} CPUs and {have[1]:g} GPUs."
                f" Give it more, or choose a smaller --scale or less of a GPU (--gpus {spec.stage} 0.5)."
                + (hidden if wanted.get("GPU", 0) else "")
            )


def kinds_of(plan: Plan) -> list[RunSpec]:
    """One run of each stage on the same modalities: such runs take the same."""
    return list({spec.kind: spec for spec in plan.runs.values()}.values())


def hiding_gpus(here: bool) -> str | None:
    """What may keep GPUs of this machine from a Ray that was started here."""
    value = os.environ.get("CUDA_VISIBLE_DEVICES") if here else None
    return None if value is None else f"CUDA_VISIBLE_DEVICES={value!r}"


def make_room(plan: Plan, gpus: Gpus, runs: int, patience: float = ROOM_SECONDS) -> None:
    """Has an autoscaler start nodes until `runs` of the plan's largest runs fit at once, and waits for them.

    What a schedule may fill is fixed when it starts, so a cluster that has scaled to zero grows before. The request
    stands until `giving_back` ends. Raises ValueError where the room doesn't come within `patience` seconds.
    """
    largest = max(plan.runs.values(), key=lambda spec: (need(spec, gpus).gpus, need(spec, gpus).cpus))
    request_resources(bundles=[*[worker_resources(largest, gpus)] * largest.workers, {"CPU": DATA_CPUS}] * runs)
    deadline = time.monotonic() + patience
    while (there := at_once(largest, gpus, alive(), None)) < runs:
        if time.monotonic() > deadline:
            raise ValueError(
                f"--room {runs}: after {patience / 60:g} minutes there is room for {there} {largest.stage} run(s)."
                " See that its autoscaler may start as many nodes, or ask for less."
            )
        time.sleep(1)


@contextmanager
def giving_back(room: int | None) -> Iterator[None]:
    """At the end the autoscaler may stop again what was asked for."""
    try:
        yield
    finally:
        give_back(room)


def give_back(room: int | None) -> None:
    if room and ray.is_initialized():
        request_resources(bundles=[])

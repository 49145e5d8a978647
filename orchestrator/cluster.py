"""The Ray a plan runs on: joining or starting it, what a run takes of it, and whether every run can be placed."""

import logging
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray._private import ray_constants
from ray.autoscaler.sdk import request_resources
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from datasets import cpus
from orchestrator import joining, machine, startup
from orchestrator.joining import ROOT
from orchestrator.plan import Plan
from orchestrator.search import Need
from orchestrator.secret import without_secrets
from orchestrator.spec import Modality, RunSpec
from orchestrator.store import Store
from orchestrator.study import Study
from orchestrator.terminal import tell

Gpus = Mapping[Modality, float]  # of a worker, by kind of run
# Half a CPU of each run is for Ray Data's tasks: workers that hold every CPU would wait for data for ever.
DATA_CPUS = 0.5
# A cloud's GPU node with an image of some gigabytes is there within this.
ROOM_SECONDS = 1800.0
HEAD = "node:__internal_head__"
# Memory of a trial, which is Ray Train's controller too, and of two helpers: measured at 0.76 GB (experiments/LOG.md).
TRIAL_BYTES = 0.8e9
DRIVER_ENV = {
    # The record of a run is its folder; Tune's own CSV, JSON and TensorBoard files would be copies.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    # A custom Searcher gets one pending trial at a time otherwise, which starts small runs one by one.
    "TUNE_MAX_PENDING_TRIALS_PG": "16",
    # Ctrl-C reaches us as KeyboardInterrupt; the run folders hold all that must be saved.
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    # What Ray says of a process that was killed comes without colours, for it may go to a file.
    "RAY_COLOR_PREFIX": "0",
}
# Of every process that Ray starts; what each gains stands in experiments/LOG.md.
WORKER_ENV = {
    # torch's threads sleep where they wait for one another. Spinning, two S3D runs on two cores take 6.4 times as long
    # as one alone; sleeping 1.7 times, and one alone 1.07.
    "OMP_WAIT_POLICY": "PASSIVE",
    # glibc keeps what a step frees for the next one. It gave it back to the kernel, most of all in a thread that isn't
    # the main one, where Ray Train trains: 124 instead of 95 ms a clip of S3D.
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_TRIM_THRESHOLD_": "-1",
    "MALLOC_MMAP_MAX_": "0",
}
# So many of a run's threads share a CPU: two runs of two each on two cores take less time together than one after the
# other (experiments/LOG.md), for one goes on where the other starts, waits or tests.
THREADS_A_CPU = 2


def in_job() -> bool:
    """Whether `ray job submit` started this process; its folder goes with the job."""
    return "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ


def to_join(address: str | None) -> str | None:
    """The address of the Ray to join, None where one is to be started here."""
    found = address or os.environ.get("RAY_ADDRESS") or None
    return None if found == "local" else found  # Ray's own word for one that it starts here


def connect(address: str | None) -> None:
    """Join the Ray at `address` or RAY_ADDRESS, else start one here; does nothing where that is done.

    Raises ValueError where neither is possible.
    """
    if ray.is_initialized():
        return
    os.environ.update(unset(DRIVER_ENV))
    if "RAY_ENABLE_UV_RUN_RUNTIME_ENV" not in os.environ:
        # Under `uv run`, Ray would send the folder it is called from, whatever is in it, and make environments anew.
        ray_constants.RAY_ENABLE_UV_RUN_RUNTIME_ENV = False
    logging.getLogger("ray").setLevel(logging.ERROR)  # Ray itself sets it anew
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    warnings.filterwarnings("ignore", category=FutureWarning, module="ray")
    joined = to_join(address)
    if joined:
        join(joined, quiet)
    else:
        check_token()
        told = machine.provide(tell)
        # Where Python may not write compiled modules, each of a run's processes spends 5 s more on importing torch.
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        # Processes that Ray starts here import this code without an install.
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        os.environ["PYTHONPATH"] = os.pathsep.join(paths)
        os.environ.update(unset(WORKER_ENV))
        start_here(quiet | told)
    logging.getLogger("ray").setLevel(logging.ERROR)


def join(address: str, quiet: Mapping[str, Any]) -> None:
    """A job brought the code along, or its image holds it; whoever joins from outside brings it now."""
    joining.check(address)
    code = {}
    if not in_job():
        joining.check_size()
        code = joining.code()
    with startup.in_a_sentence(f"the Ray at {without_secrets(address)} can't be joined", "Look at `ray status` there."):
        ray.init(address=address, runtime_env=code | {"env_vars": unset(WORKER_ENV)}, **quiet)


def unset(env: Mapping[str, str]) -> dict[str, str]:
    """The part that the user (or a job's own runtime environment, which Ray refuses to contradict) doesn't say."""
    return {name: value for name, value in env.items() if name not in os.environ}


def cpus_here() -> int:
    """CPUs of a Ray started here: those that may be used, and two runs at once also where they share one core."""
    return max(2, cpus.usable())


def start_here(quiet: Mapping[str, Any]) -> None:
    """Ray gives itself 30 s, which a busy machine doesn't hold: once more then. Raises ValueError where it can't."""
    for last in (False, True):
        try:
            # "local", for without an address Ray would look for a cluster that was started on this machine.
            ray.init(address="local", num_cpus=cpus_here(), dashboard_host="127.0.0.1", **quiet)
            return
        except Exception as error:
            # Ray raises nothing narrower.
            ray.shutdown()
            if last or "timed out" not in str(error):
                raise ValueError(
                    f"no Ray could be started here ({startup.cause(error)}). {startup.way_out()}"
                ) from None


def check_token() -> None:
    """Raises ValueError where a Ray started here would do what anyone tells it. A token is its default."""
    mode = os.environ.get("RAY_AUTH_MODE", "token")
    if mode.lower() != "token":
        raise ValueError(
            f"RAY_AUTH_MODE={mode}: a Ray started here listens on this machine's address, and without a token whoever"
            " reaches that runs any code here. Unset RAY_AUTH_MODE, or join a Ray of your own with --address."
        )


def worker_resources(spec: RunSpec, gpus: Gpus) -> dict[str, float]:
    if share := gpus[spec.kind]:
        return {"CPU": spec.threads - DATA_CPUS, "GPU": share}
    return {"CPU": max(1, spec.threads / THREADS_A_CPU) - DATA_CPUS}


def config_of(spec: RunSpec, study: Study, store: Store, read: str) -> dict[str, Any]:
    """All that a trial is told of a run (`orchestrator/run.py:train_and_score`)."""
    return {
        "key": spec.key,
        "storage": str(store.root),
        "start": store.start,
        "sampling": study.sampling.to_json(),
        "read": read,
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
    """Raises ValueError naming a kind of run that no waiting would ever place. `nodes`: resources of each node.

    `here`: Ray was started here, and has the GPUs that CUDA_VISIBLE_DEVICES lets it have.
    """
    hidden = f" {hiding} may hide GPUs of this machine: unset it first." if (hiding := hiding_gpus(here)) else ""
    for spec in {plan.runs[key].kind: plan.runs[key] for key in plan.runs}.values():
        wanted = worker_resources(spec, gpus)
        total = need(spec, gpus)
        have = [sum(node.get(k, 0) for node in nodes) for k in ("CPU", "GPU")]
        if slots(spec, gpus, nodes) < spec.workers or not total.fits(*have):
            raise ValueError(
                f"a {spec.kind} run can never be placed: it takes {spec.workers} worker(s) of {wanted} and {DATA_CPUS}"
                f" CPU for Ray Data; the cluster has {len(nodes)} node(s) with {have[0]:g} CPUs and {have[1]:g} GPUs."
                f" Give it more, or choose a smaller --scale or less of a GPU (--gpus {spec.kind} 0.5)."
                + (hidden if wanted.get("GPU", 0) else "")
            )


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
    while (there := at_once(largest, gpus, nodes(), None)) < runs:
        if time.monotonic() > deadline:
            raise ValueError(
                f"--room {runs}: after {patience / 60:g} minutes there is room for {there} {largest.kind} run(s)."
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


def nodes() -> list[dict[str, float]]:
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def check_shared(storage: Path, given: Path, recordings: Path | None) -> None:
    """Raises ValueError unless every node of the cluster sees the storage and the recordings."""
    alive = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
    if len(alive) == 1:
        return
    like = "Give an absolute path on a file system that all of them mount, as in --storage /shared/two-stage-har."
    if not given.is_absolute():
        raise ValueError(f"--storage {given}: the cluster has {len(alive)} nodes. {like}")
    storage.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=storage, prefix=".seen-by-all-") as probe:
        looked_for = {f"--storage {storage}": probe.name}
        if recordings and recordings.exists():
            looked_for[f"--recordings {recordings}"] = str(recordings.resolve())
        for flag, path in looked_for.items():
            blind = sorted(alive[node] for node, sees in _seen(path, list(alive)).items() if not sees)
            if blind:
                raise ValueError(f"{flag}: {', '.join(blind)} of {len(alive)} nodes can't see it. {like}")


def _seen(path: str, nodes: list[str]) -> dict[str, bool]:
    return on_each(nodes, os.path.exists, path)


def on_each(nodes: list[str], ask: Callable[..., Any], *given: Any) -> dict[str, Any]:
    """What a function gives on each of these nodes, by the node's id."""
    remote = ray.remote(num_cpus=0)(ask)
    on = [NodeAffinitySchedulingStrategy(node, soft=False) for node in nodes]
    return dict(zip(nodes, ray.get([remote.options(scheduling_strategy=s).remote(*given) for s in on]), strict=True))


def check_packages() -> None:
    """`datasets` is also the name of Hugging Face's package; the one imported must be ours."""
    import datasets

    if Path(datasets.__file__ or "").resolve().parent != ROOT / "datasets":
        raise ValueError(
            f"the package datasets is {datasets.__file__}, not this project's: Hugging Face's package of that name is"
            f" installed or comes first. Use an environment without it ({sys.executable}), as `make setup` makes one."
        )

"""The Ray a plan runs on: joining or starting it, what a run takes of it, and whether every run can be placed."""

import logging
import os
import sys
import warnings
from pathlib import Path

import ray

from orchestrator.plan import Plan
from orchestrator.scale import SCALES
from orchestrator.search import Need
from orchestrator.spec import RunSpec

ROOT = Path(__file__).resolve().parent.parent
# Half a CPU of each run is for Ray Data's tasks: workers that hold every CPU would wait for data for ever.
DATA_CPUS = 0.5
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
}


def connect(address: str | None) -> str:
    """Join `address` or RAY_ADDRESS, else start Ray here. Returns where it is, in words."""
    os.environ.update({k: v for k, v in DRIVER_ENV.items() if k not in os.environ})
    address = address or os.environ.get("RAY_ADDRESS")
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    warnings.filterwarnings("ignore", category=FutureWarning, module="ray")
    if address:
        ray.init(address=address, **quiet)  # pyright: ignore[reportArgumentType]
        return f"the Ray at {address}"
    # Processes that Ray starts here import this code without an install.
    # Where Python may not write compiled modules, each of a run's processes spends 5 s more on importing torch.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    # At least 2: a video run takes two threads' worth, also where they share one core.
    ray.init(num_cpus=max(2, os.cpu_count() or 1), **quiet)  # pyright: ignore[reportArgumentType]
    logging.getLogger("ray").setLevel(logging.ERROR)
    return "a Ray started here"


def worker_resources(spec: RunSpec, scale: str) -> dict[str, float]:
    gpus = SCALES[scale].gpus[spec.kind]
    return {"CPU": spec.threads - DATA_CPUS} | ({"GPU": gpus} if gpus else {})


def need(spec: RunSpec, scale: str) -> Need:
    resources = worker_resources(spec, scale)
    return Need(spec.workers * resources["CPU"] + DATA_CPUS, spec.workers * resources.get("GPU", 0.0))


def capacity() -> tuple[float, float]:
    total = ray.cluster_resources()
    return total.get("CPU", 0.0), total.get("GPU", 0.0)


def check_placeable(plan: Plan, scale: str, nodes: list[dict[str, float]]) -> None:
    """Raises ValueError naming a kind of run that no waiting would ever place. `nodes`: resources of each node."""
    for spec in {plan.runs[key].kind: plan.runs[key] for key in plan.runs}.values():
        wanted = worker_resources(spec, scale)
        slots = sum(min(int((node.get(k, 0) + 1e-6) // v) for k, v in wanted.items()) for node in nodes)
        total = need(spec, scale)
        cpus, gpus = (sum(node.get(k, 0) for node in nodes) for k in ("CPU", "GPU"))
        if slots < spec.workers or not total.fits(cpus, gpus):
            raise ValueError(
                f"a {spec.kind} run at --scale {scale} can never be placed: it takes {spec.workers} worker(s) of"
                f" {wanted} and {DATA_CPUS} CPU for Ray Data; the cluster has {len(nodes)} node(s) with {cpus:g} CPUs"
                f" and {gpus:g} GPUs. Give it more, or choose a smaller --scale."
            )


def nodes() -> list[dict[str, float]]:
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def check_packages() -> None:
    """`datasets` is also the name of Hugging Face's package; the one imported must be ours."""
    import datasets

    if Path(datasets.__file__ or "").resolve().parent != ROOT / "datasets":
        raise ValueError(
            f"the package datasets is {datasets.__file__}, not this project's: Hugging Face's package of that name is"
            f" installed or comes first. Use an environment without it ({sys.executable}), as `make setup` makes one."
        )

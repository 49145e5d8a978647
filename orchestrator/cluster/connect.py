"""The Ray a plan runs on: joining or starting it, what a run takes of it, and whether every run can be placed."""

import logging
import os
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ray
import ray._private.worker
from ray._private import ray_constants

from datasets import cpus
from orchestrator.cluster import joining, local_ray, start_errors
from orchestrator.cluster.joining import ROOT
from orchestrator.storage.redaction import without_secrets

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
HELPERS = (
    ray_constants.PROCESS_TYPE_DASHBOARD,
    ray_constants.PROCESS_TYPE_LOG_MONITOR,
    ray_constants.PROCESS_TYPE_MONITOR,
)
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


def in_job() -> bool:
    """Whether `ray job submit` started this process; its folder goes with the job."""
    return "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ


def to_join(address: str | None) -> str | None:
    """The address of the Ray to join, None where one is to be started here."""
    found = address or os.environ.get("RAY_ADDRESS") or None
    return None if found == "local" else found  # Ray's own word for one that it starts here


def connect(address: str | None, say: Callable[[str], None] = print) -> None:
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
        told = local_ray.provide(say)
        # Where Python may not write compiled modules, each of a run's processes spends 5 s more on importing torch.
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        # Processes that Ray starts here import this code without an install.
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        os.environ["PYTHONPATH"] = os.pathsep.join(paths)
        os.environ.update(unset(WORKER_ENV))
        start_here(quiet | told)
    logging.getLogger("ray").setLevel(logging.ERROR)


def leave() -> None:
    """Leave the Ray that was joined, or end the one that was started here; does nothing where there is none.

    Ray ends its own processes one after the other and waits up to two seconds for each; those that train nothing are
    ended before, all at once.
    """
    node: Any = ray._private.worker._global_node
    for kind, started in node.all_processes.items() if node else ():
        for each in started if kind in HELPERS else ():
            each.process.kill()  # asked to end, the autoscaler would tell the driver that it has failed
    ray.shutdown()


def join(address: str, quiet: Mapping[str, Any]) -> None:
    """A job brought the code along, or its image holds it; whoever joins from outside brings it now."""
    joining.check(address)
    code = {}
    if not in_job():
        joining.check_size()
        code = joining.code()
    with start_errors.in_a_sentence(
        f"the Ray at {without_secrets(address)} can't be joined", "Look at `ray status` there."
    ):
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
            ray.init(address="local", num_cpus=cpus_here(), include_dashboard=False, **quiet)
            return
        except Exception as error:
            # Ray raises nothing narrower.
            ray.shutdown()
            if last or "timed out" not in str(error):
                raise ValueError(
                    f"no Ray could be started here ({start_errors.cause(error)}). {start_errors.way_out()}"
                ) from None


def check_token() -> None:
    """Raises ValueError where a Ray started here would do what anyone tells it. A token is its default."""
    mode = os.environ.get("RAY_AUTH_MODE", "token")
    if mode.lower() != "token":
        raise ValueError(
            f"RAY_AUTH_MODE={mode}: a Ray started here listens on this machine's address, and without a token whoever"
            " reaches that runs any code here. Unset RAY_AUTH_MODE, or join a Ray of your own with --address."
        )


def check_packages() -> None:
    """`datasets` is also the name of Hugging Face's package; the one imported must be ours."""
    import datasets

    if Path(datasets.__file__ or "").resolve().parent != ROOT / "datasets":
        raise ValueError(
            f"the package datasets is {datasets.__file__}, not this project's: Hugging Face's package of that name is"
            f" installed or comes first. Use an environment without it ({sys.executable}), as `make setup` makes one."
        )

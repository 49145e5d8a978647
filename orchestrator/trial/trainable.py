"""What Ray Tune runs for each trial. The driver imports it too, so it leaves torch to the trial's process."""

from typing import Any

import ray.tune
from ray.tune.execution import class_cache


def share_processes() -> None:
    """Has trials run in the environment that all processes of a Ray that was started here have from its driver.

    Ray Tune gives each trial, and so its workers and their tasks, an environment of its own. What it holds they have
    already, but another environment costs each process one more interpreter at its start, and no process that has
    decoded shards could serve it.
    """
    class_cache.DEFAULT_ENV_VARS, class_cache.ENV_VARS_TO_PROPAGATE = {}, set()


def run(config: dict[str, Any]) -> None:
    """Train the run named by config["key"]; reports {"status": "done"} or "failed", never raises."""
    from orchestrator.trial.run import train_and_score

    # Tune keeps what is reported only to tell the searcher; the run folder is the record.
    ray.tune.report({"status": train_and_score(config).status})

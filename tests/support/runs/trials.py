"""A run as Ray Tune starts it: in the process of an actor, where Ray Train's controller lives too."""

from typing import Any

import ray

from orchestrator.storage.run_folder import RunFolder
from orchestrator.trial import run


@ray.remote(num_cpus=0)
class Trial:
    """One for all runs of a Ray, as Tune keeps its own: each process imports torch."""

    def fit(self, folder: RunFolder, config: dict[str, Any]) -> None:
        run.fit(folder, config)


def fit(folder: RunFolder, config: dict[str, Any]) -> None:
    """Trains it; raises what the run raised. Ray has been started."""
    trial = Trial.options(name="trial", get_if_exists=True, lifetime="detached").remote()  # pyright: ignore
    ray.get(trial.fit.remote(folder, config))

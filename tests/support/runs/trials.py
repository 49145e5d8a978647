"""A run as Ray Tune starts it: in the process of an actor, where Ray Train's controller lives too."""

from typing import Any

import ray

from datasets.manifest import Manifest
from orchestrator.plan.spec import RunSpec
from orchestrator.storage.run_folder import RunFolder
from orchestrator.storage.store import Store
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


def train(store: Store, spec: RunSpec, **options: object) -> RunFolder:
    """A run of half a CPU a worker, of parents that are done; `options` are of its configuration."""
    folder = store.run(spec.key)
    folder.begin(spec)
    fit(folder, {"key": spec.key, "storage": str(store.root), "resources": {"CPU": 0.5}, **options})
    return folder


def with_manifests(store: Store, manifest: Manifest) -> Store:
    """The store with the Manifests of what runs of signals, of videos and of both read."""
    for read in (("imu",), ("video",), ("imu", "video")):
        manifest.of(read).write(store.manifest(manifest.of(read).digest))
    return store

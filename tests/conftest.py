"""What several tests share: a tiny corpus, a real local Ray, and the corpus's shards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from datasets import corpora
from datasets.corpora import synthetic
from datasets.manifest import Manifest
from datasets.spec import Sampling

if TYPE_CHECKING:
    from datasets.shards import Shards


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve clips: 3 actions x 2 subjects x 2 trials. Copy them to spoil them."""
    return synthetic.write(tmp_path_factory.mktemp("recordings"), subjects=2, trials=2, actions=3)


@pytest.fixture(scope="session")
def manifest(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return corpora.read("synthetic", recordings, tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def ray_local() -> Iterator[None]:
    """A Ray of its own, also where another one runs. Imported here: most tests do without its two seconds."""
    import ray

    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def written(ray_local: None, manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Shards:
    """The corpus's shards of 8 frames of 32x32, two clips each, as a Ray Data job writes them."""
    from datasets import shards

    sampling = Sampling(frames=8, size=32, samples=manifest.max_samples)
    return shards.write(tmp_path_factory.mktemp("storage"), manifest, sampling)

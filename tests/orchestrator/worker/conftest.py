"""What tests of a worker share: a storage with the tiny corpus's shards and Manifests."""

import pytest

from datasets.manifest import Manifest
from datasets.shards import Shards
from orchestrator.storage.store import Store
from tests.support.runs import trials


@pytest.fixture(scope="session")
def store(written: dict[str, Shards], manifest: Manifest) -> Store:
    return trials.with_manifests(Store(written["imu"].folder.parents[2]), manifest)

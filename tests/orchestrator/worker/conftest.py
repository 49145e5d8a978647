"""What tests of a worker share: a storage with the tiny corpus's shards and Manifests."""

import pytest

from datasets.manifest import Manifest
from datasets.shards import Shards
from orchestrator.storage.store import Store


@pytest.fixture(scope="session")
def store(written: dict[str, Shards], manifest: Manifest) -> Store:
    store = Store(written["imu"].folder.parents[2])
    for read in (("imu",), ("video",), ("imu", "video")):
        manifest.of(read).write(store.manifest(manifest.of(read).digest))
    return store

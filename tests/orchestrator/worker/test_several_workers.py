"""A run of several workers, each with its share of every batch, against the same run of one."""

from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from datasets.manifest import Manifest
from datasets.modalities import imu as signals
from models.spec import EncoderSpec, HeadSpec, NetworkSpec
from orchestrator.plan.spec import Optimization
from orchestrator.storage.store import Store
from tests.support.runs import specs, trials


@pytest.fixture(scope="module")
def more(undisturbed: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Manifest]:
    """A corpus of 24 training and 24 test clips, in a storage of its own."""
    root = tmp_path_factory.mktemp("more")
    for name in ("shards", "manifests"):
        (root / name).symlink_to(undisturbed[0] / name)
    found = [Manifest.read(file) for file in (root / "manifests").iterdir()]
    return Store(root), next(manifest for manifest in found if manifest.modalities == ("imu",))


@pytest.mark.long
def test_a_batch_of_18_over_4_workers_weights_gradients_by_clips(ray_local: None, more: tuple[Store, Manifest]):
    """All 18 training clips are one batch and nothing is dropped out: however it is divided the steps are the same."""
    store, manifest = more
    network = NetworkSpec({"imu": EncoderSpec("cnn", {"dropout": 0.0})}, HeadSpec(hidden=1024))
    given = {"recordings": manifest.digest, "inputs": {"imu": signals.Input(manifest.longest("imu"), 6)}}
    how = Optimization(lr=1e-3, weight_decay=0, batch=18, epochs=6)
    spec = specs.run("imu", how=how, network=network, ratio=0.75, **given)
    one, four = (trials.train(store, replace(spec, workers=n), resources={"CPU": 0.25}) for n in (1, 4))
    losses = [[row["loss"] for row in folder.history()] for folder in (one, four)]
    assert losses[0][-1] < 0.98 * losses[0][0]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    tables = [pq.read_table(folder.path / "predictions.parquet") for folder in (one, four)]
    assert tables[0].num_rows == 24 and tables[0]["clip"].equals(tables[1]["clip"])
    assert tables[0]["predicted"].equals(tables[1]["predicted"])


@pytest.mark.long
def test_two_workers_train_to_within_5_percent_of_the_loss_of_one(ray_local: None, more: tuple[Store, Manifest]):
    """All training clips are one batch; dropout is of other units, so it is a tolerance."""
    store, manifest = more
    given = {"recordings": manifest.digest, "inputs": {"imu": signals.Input(manifest.longest("imu"), 6)}}
    spec = specs.run("imu", how=Optimization(lr=1e-3, weight_decay=1e-6, batch=24, epochs=8), **given)
    one, two = (trials.train(store, replace(spec, workers=n)) for n in (1, 2))
    losses = [[row["loss"] for row in folder.history()] for folder in (one, two)]
    assert losses[0][-1] < 0.9 * losses[0][0]
    assert losses[1] == pytest.approx(losses[0], rel=0.05)
    clips = [pq.read_table(folder.path / "predictions.parquet")["clip"] for folder in (one, two)]
    assert len(set(clips[0].to_pylist())) == len(clips[0]) == 24 and clips[0].equals(clips[1])

"""What a Reader gives a fusion: hidden classes, modality dropout, and clips whose signal or video is missing."""

import pytest
import torch

from datasets.manifest import Manifest
from datasets.shards import Shards
from datasets.spec import Augmentation
from models.build import build, build_fusion
from models.spec import FusionModel, ImuModel, VideoModel
from orchestrator.plan.spec import DataSpec, Optimization, RunSpec
from orchestrator.storage.store import Store
from orchestrator.worker.reader import Reader, rows_of
from orchestrator.worker.train import predict

HOW = Optimization(lr=1e-3, weight_decay=1e-6, batch=4, epochs=4)


@pytest.fixture
def store(written: Shards, manifest: Manifest) -> Store:
    store = Store(written.folder.parent.parent)
    manifest.write(store.manifest(manifest.digest))
    return store


@pytest.mark.parametrize("with_trunk", [False, True])
def test_modality_dropout_takes_either_modality_and_never_both(
    with_trunk: bool, store: Store, manifest: Manifest, written: Shards
):
    """Of a hidden class's clips, which lack one already, it takes nothing."""
    data = DataSpec(manifest.digest, samples=manifest.max_samples, frames=8, size=32, hidden_imu=(1,))
    spec = RunSpec(FusionModel(), data, HOW, seed=0, augmentation=Augmentation(missing=0.5))
    reader = Reader(store, manifest, written.sampling, spec, torch.device("cpu"))
    count = 6000
    batch = {"label": torch.arange(count) % 3, "imu_length": torch.full((count,), 60)}
    if with_trunk:
        reader.blank = {"trunk": torch.zeros(1, 2, 1, 1, 1), "trunk_length": torch.tensor([0])}
        batch |= {"trunk": torch.ones(count, 2, 1, 1, 1), "trunk_length": torch.full((count,), 1)}
    else:
        batch |= {"video_length": torch.full((count,), 8)}
    torch.manual_seed(0)
    found = reader.miss(reader.hide(batch), 0.5)
    no_imu, no_video = found["imu_length"] == 0, found["trunk_length" if with_trunk else "video_length"] == 0
    if with_trunk:
        assert torch.equal(found["trunk"].flatten(1).sum(1) == 0, no_video)
    hidden = batch["label"] == 1
    assert no_imu[hidden].all() and not no_video[hidden].any() and not (no_imu & no_video).any()
    for missing in (no_imu, no_video):
        assert missing[~hidden].float().mean().item() == pytest.approx(0.25, abs=0.03)


def test_what_is_missing_is_missing_where_a_fusion_trains_and_where_it_is_tested(
    ray_local: None, store: Store, manifest: Manifest, written: Shards
):
    data = DataSpec(manifest.digest, samples=manifest.max_samples, frames=8, size=32, hidden_video=(1,))
    spec, classes = RunSpec(FusionModel(), data, HOW, seed=0), len(manifest.classes)
    reader = Reader(store, manifest, written.sampling, spec, torch.device("cpu"))
    for name, rows in zip(("train", "test"), rows_of(spec, manifest), strict=True):
        reader.open(name, rows)
    torch.manual_seed(0)
    model = build_fusion(FusionModel(), build(ImuModel(), classes), build(VideoModel(), classes), classes)
    reader.keep(len(rows_of(spec, manifest)[0]), model)
    assert reader.kept and reader.blank
    hidden = reader.kept["label"] == 1
    assert hidden.any() and torch.equal(reader.kept["trunk_length"] == 0, hidden)
    blank = reader.blank["trunk"].expand_as(reader.kept["trunk"][hidden])
    assert torch.allclose(reader.kept["trunk"][hidden], blank, atol=1e-5)

    table = predict(model, reader, manifest)
    [batch] = reader.batches("test", 64)
    for name in ("imu", "video"):
        blind = batch | {f"{name}_length": torch.zeros_like(batch[f"{name}_length"])}
        with torch.no_grad():
            assert table[f"without_{name}"].to_pylist() == model(blind).argmax(1).tolist()
    assert table["without_imu"] != table["without_video"]

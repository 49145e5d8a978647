"""What a Reader gives a fusion: hidden classes, modality dropout, and clips whose signal or video is missing."""

from typing import Any

import pytest
import torch

from datasets import stream
from datasets.manifest import Manifest
from datasets.modalities import imu
from datasets.modalities import video as videos
from datasets.shards import Shards
from models.build import build
from models.spec import NetworkSpec
from orchestrator.plan.rows import rows_of
from orchestrator.plan.spec import Optimization, RunSpec
from orchestrator.storage.store import Store
from orchestrator.worker.prefetch import ahead
from orchestrator.worker.reader import Reader
from orchestrator.worker.train import predict
from tests.support.runs import specs

HOW = Optimization(lr=1e-3, weight_decay=1e-6, batch=4, epochs=4)
CPU = torch.device("cpu")


@pytest.fixture
def store(written: dict[str, Shards]) -> Store:
    return Store(written["imu"].folder.parents[2])


def fusion(manifest: Manifest, inputs: dict[str, Any], **given: Any) -> RunSpec:
    return specs.run("imu", "video", how=HOW, recordings=manifest.digest, inputs=inputs, **given)


@pytest.mark.parametrize("with_trunk", [False, True])
def test_modality_dropout_takes_either_modality_and_never_both(
    with_trunk: bool, store: Store, manifest: Manifest, inputs: dict[str, Any]
):
    """Of a hidden class's clips, which lack one already, it takes nothing."""
    reader = Reader(store, manifest, fusion(manifest, inputs, hidden={"imu": (1,)}, missing=0.5), CPU)
    count = 6000
    batch = {"label": torch.arange(count) % 3, "imu_length": torch.full((count,), 60)}
    if with_trunk:
        reader.blank = {"video": {"video_trunk": torch.zeros(1, 2, 1, 1, 1), "video_trunk_length": torch.tensor([0])}}
        batch |= {"video_trunk": torch.ones(count, 2, 1, 1, 1), "video_trunk_length": torch.full((count,), 1)}
    else:
        batch |= {"video_length": torch.full((count,), 8)}
    torch.manual_seed(0)
    found = reader.miss(reader.hide(batch), 0.5)
    no_imu = found["imu_length"] == 0
    no_video = found["video_trunk_length" if with_trunk else "video_length"] == 0
    if with_trunk:
        assert torch.equal(found["video_trunk"].flatten(1).sum(1) == 0, no_video)
    hidden = batch["label"] == 1
    assert no_imu[hidden].all() and not no_video[hidden].any() and not (no_imu & no_video).any()
    for missing in (no_imu, no_video):
        assert missing[~hidden].float().mean().item() == pytest.approx(0.25, abs=0.03)


def test_what_is_missing_is_missing_where_a_fusion_trains_and_where_it_is_tested(
    ray_local: None, store: Store, manifest: Manifest, inputs: dict[str, Any]
):
    spec, classes = fusion(manifest, inputs, hidden={"video": (1,)}), len(manifest.classes)
    reader = Reader(store, manifest, spec, CPU)
    for name, rows in zip(("train", "test"), rows_of(spec, manifest), strict=True):
        reader.open(name, rows)
    parents = {name: build(NetworkSpec({name: e}), classes, 0) for name, e in spec.network.encoders.items()}
    model = build(spec.network, classes, 0, parents)
    reader.keep(len(rows_of(spec, manifest)[0]), model)
    assert reader.kept and reader.blank
    hidden = reader.kept["label"] == 1
    assert hidden.any() and torch.equal(reader.kept["video_trunk_length"] == 0, hidden)
    trunk = reader.kept["video_trunk"][hidden]
    assert torch.allclose(trunk, reader.blank["video"]["video_trunk"].expand_as(trunk), atol=1e-5)

    table = predict(model, reader, manifest)
    [batch] = reader.batches("test", 64)
    for name in ("imu", "video"):
        blind = batch | {f"{name}_length": torch.zeros_like(batch[f"{name}_length"])}
        with torch.no_grad():
            assert table[f"without_{name}"].to_pylist() == model.logits(blind).argmax(1).tolist()
    assert table["without_imu"] != table["without_video"]


@pytest.mark.parametrize("window", [2, 100])
def test_an_epoch_is_the_same_whether_the_one_before_began_its_reading(
    window: int, ray_local: None, store: Store, manifest: Manifest, inputs: dict[str, Any], monkeypatch: Any
):
    """Of clips that are read anew in every epoch, shuffled through a window that is smaller or larger than an epoch."""
    monkeypatch.setattr(stream, "SHUFFLE_CLIPS", window)
    spec = specs.run("imu", how=HOW, recordings=manifest.of(["imu"]).digest, inputs=inputs)
    rows = rows_of(spec, manifest)[0]
    sizes = stream.batch_sizes(len(rows), 4, 1)

    def opened() -> Reader:
        reader = Reader(store, manifest, spec, CPU)
        reader.open("train", rows)
        return reader

    reader, begun, found = opened(), [], []
    for epoch in (1, 2, 3, 4, 0):
        epochs = []
        for batch in reader.epoch(epoch, sizes):
            begun.append(sorted(reader.begun))
            epochs.append(batch["row"].tolist())
        found.append(epochs)
    assert len({str(epochs) for epochs in found}) == 5
    assert found == [[b["row"].tolist() for b in opened().epoch(epoch, sizes)] for epoch in (1, 2, 3, 4, 0)]
    # The last of four epochs begins none, and neither does the one that settles BatchNorm.
    ahead_of = [[n] if window > len(rows) or i == len(sizes) - 1 else [] for n in (2, 3, 4) for i in range(len(sizes))]
    assert begun == ahead_of + [[]] * 2 * len(sizes)


def test_clips_vary_alike_where_a_thread_makes_batches_ahead(
    ray_local: None, store: Store, manifest: Manifest, inputs: dict[str, Any], monkeypatch: Any
):
    """As on a GPU: a thread draws for an epoch, and for none that comes after, where `train` seeds each."""
    vary = {"imu": imu.Augmentation(rotation=10, noise=0.1), "video": videos.Augmentation(video=0.3)}
    given = inputs | {"video": videos.Input(4, 16, 8, 24)}
    spec = fusion(manifest, given, augmentation=vary, missing=0.5)
    rows = rows_of(spec, manifest)[0]
    sizes = stream.batch_sizes(len(rows), 2, 1)[:-1]  # the last batch of an epoch may be left out
    found = []
    for count in (0, 2):
        if count:
            monkeypatch.setattr(Reader, "_ahead", lambda reader, batches: ahead(batches, 2))
        reader = Reader(store, manifest, spec, CPU, "recordings")
        reader.open("train", rows)
        for epoch in (1, 2, 3):
            torch.manual_seed(epoch)
            found += reader.epoch(epoch, sizes)
    plain = [batch for epoch in (1, 2, 3) for batch in reader.epoch(epoch, sizes, vary=False)]
    half = len(found) // 2
    assert half == len(plain) == 3 * len(sizes) > 3
    for one, other, as_stored in zip(found[:half], found[half:], plain, strict=True):
        assert one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)
        assert torch.equal(one["row"], as_stored["row"]) and not torch.equal(one["imu"], as_stored["imu"])

"""What a Reader gives a fusion: hidden classes, modality dropout, and clips whose signal or video is missing."""

from typing import Any

import pytest
import torch

from datasets.manifest import Manifest
from datasets.shards import Shards
from models.build import build
from models.spec import NetworkSpec
from orchestrator.plan.spec import Optimization, RunSpec
from orchestrator.storage.store import Store
from orchestrator.worker.reader import Reader, rows_of
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

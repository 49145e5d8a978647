"""What only a GPU would feel: a step that waits for values, frames that travel as floats.

On torch's meta device nothing has a value, so whatever asks for one (item, tolist, a branch, nonzero) raises.
"""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from datasets.manifest import Manifest
from datasets.modalities import imu, video
from datasets.shards import Shards
from datasets.stream import Batch
from models.build import build
from orchestrator.plan.spec import Optimization, RunSpec
from orchestrator.storage.store import Store
from orchestrator.worker.reader import Reader
from orchestrator.worker.train import update
from tests.support.runs import specs

META = torch.device("meta")
HOW = Optimization(lr=1e-3, weight_decay=1e-5, batch=4, epochs=1)
SENSOR = imu.Augmentation(rotation=10, noise=0.03, warp=0.2, crop=0.1)
FILM = video.Augmentation(video=0.3)


def spec_of(kind: str, manifest: Manifest) -> RunSpec:
    """With every variation that touches a batch, and a hidden class where it stays in training."""
    read = specs.STAGES[kind]
    inputs = {
        "imu": imu.Input(manifest.longest("imu"), 6, resampled=64),
        "video": video.Input(6, 24, 8, 32, channels="motion"),
    }
    given: dict[str, Any] = {"augmentation": {m: {"imu": SENSOR, "video": FILM}[m] for m in read}}
    if len(read) > 1:
        given |= {"hidden": {"imu": (1,)}, "missing": 0.5, "parents": {"imu": "0" * 16, "video": "1" * 16}}
    return specs.run(*read, how=HOW, recordings=manifest.of(read).digest, inputs=inputs, **given)


@pytest.fixture
def batch(
    request: pytest.FixtureRequest, written: dict[str, Shards], manifest: Manifest
) -> tuple[RunSpec, Batch, dict[str, Any]]:
    """One as the worker gets it on the device, and the types with which it went there."""
    spec = spec_of(request.param, manifest)
    went: dict[str, Any] = {}

    class Watched(Reader):
        def to_device(self, batch: Batch) -> Batch:
            went.update({name: (values.device.type, values.dtype) for name, values in batch.items()})
            return super().to_device(batch)

    reader = Watched(Store(written["imu"].folder.parents[2]), manifest, spec, META)
    reader.open("train", np.arange(manifest.clips.num_rows))
    return spec, next(iter(reader.batches("train", 4, order=0, vary=True))), went


@pytest.mark.parametrize("batch", ["imu", "video", "fusion"], indirect=True)
def test_a_step_waits_for_no_value_and_frames_travel_as_bytes(
    batch: tuple[RunSpec, Batch, dict[str, Any]], manifest: Manifest
) -> None:
    spec, given, went = batch
    assert {device for device, _ in went.values()} == {"cpu"} and {v.device for v in given.values()} == {META}
    if "video" in spec.modalities:
        assert went["video"] == ("cpu", torch.uint8)
    classes = len(manifest.classes)
    parents = {role: build(specs.network(role), classes, 0) for role in spec.parents}
    model = build(spec.network, classes, 0, parents)
    model.to(META)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad])
    for _ in range(2):
        totals = update(model, optimizer, given, 4, 1)
    assert totals.keys() == {"loss", "train_top1", "broken"}
    assert all(value.device == META and value.shape == () for value in totals.values())


def test_a_step_that_waits_would_be_seen() -> None:
    class Waits(nn.Linear):
        def forward(self, batch: Batch) -> dict[str, torch.Tensor]:  # pyright: ignore
            logits = super().forward(batch["imu"])
            return {"loss": (logits * float(logits.max())).sum()}

    model = Waits(3, 2).to(META)
    given = {"imu": torch.empty(4, 3, device=META), "label": torch.empty(4, dtype=torch.int64, device=META)}
    with pytest.raises((RuntimeError, NotImplementedError), match="meta"):
        update(model, torch.optim.AdamW(model.parameters()), given, 4, 1)

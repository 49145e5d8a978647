"""What only a GPU would feel: a step that waits for values, frames that travel as floats.

On torch's meta device nothing has a value, so whatever asks for one (item, tolist, a branch, nonzero) raises.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from datasets.manifest import Manifest
from datasets.shards import Shards
from datasets.spec import Augmentation
from datasets.stream import Batch
from models.build import build, build_fusion
from models.spec import FusionModel, ImuModel, VideoModel
from orchestrator.plan.spec import DataSpec, Optimization, RunSpec
from orchestrator.storage.store import Store
from orchestrator.worker.reader import Reader
from orchestrator.worker.train import update

META = torch.device("meta")
HOW = Optimization(lr=1e-3, weight_decay=1e-5, batch=4, epochs=1)
SENSOR = Augmentation(rotation=10, noise=0.03, warp=0.2, crop=0.1)


def spec_of(kind: str, manifest: Manifest) -> RunSpec:
    """With every variation that touches a batch, and a hidden class where it stays in training."""
    imu = DataSpec(manifest.digest, samples=manifest.max_samples, resampled=64)
    film = {"frames": 6, "size": 24, "stored_frames": 8, "stored_size": 32, "channels": "motion"}
    film_varied = Augmentation(video=0.3)
    varied = replace(film_varied, rotation=10, noise=0.03, missing=0.5)
    parents = (("imu", "0" * 16), ("video", "1" * 16))
    return {
        "imu": RunSpec(ImuModel(), imu, HOW, 0, SENSOR),
        "video": RunSpec(VideoModel(), DataSpec(manifest.digest, **film), HOW, 0, film_varied),  # pyright: ignore
        "fusion": RunSpec(FusionModel(), replace(imu, **film, hidden_imu=(1,)), HOW, 0, varied, parents=parents),  # pyright: ignore
    }[kind]


@pytest.fixture
def batch(request: pytest.FixtureRequest, written: Shards, manifest: Manifest) -> tuple[RunSpec, Batch, dict[str, Any]]:
    """One as the worker gets it on the device, and the types with which it went there."""
    spec = spec_of(request.param, manifest)
    went: dict[str, Any] = {}

    class Watched(Reader):
        def to_device(self, batch: Batch) -> Batch:
            went.update({name: (values.device.type, values.dtype) for name, values in batch.items()})
            return super().to_device(batch)

    reader = Watched(Store(written.folder.parent.parent), manifest, written.sampling, spec, META)
    reader.open("train", np.arange(manifest.clips.num_rows))
    return spec, next(iter(reader.batches("train", 4, order=0, vary=True))), went


@pytest.mark.parametrize("batch", ["imu", "video", "fusion"], indirect=True)
def test_a_step_waits_for_no_value_and_frames_travel_as_bytes(
    batch: tuple[RunSpec, Batch, dict[str, Any]], manifest: Manifest
) -> None:
    spec, given, went = batch
    assert {device for device, _ in went.values()} == {"cpu"} and {v.device for v in given.values()} == {META}
    if spec.kind != "imu":
        assert went["video"] == ("cpu", torch.uint8)
    classes = len(manifest.classes)
    if isinstance(spec.model, FusionModel):
        model = build_fusion(spec.model, build(ImuModel(), classes), build(VideoModel(), classes), classes)
    else:
        model = build(spec.model, classes)
    model.to(META)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad])
    for _ in range(2):
        totals = update(model, optimizer, given, 0.1, 4, 1)
    assert totals.device == META and totals.shape == (3,)


def test_a_step_that_waits_would_be_seen() -> None:
    class Waits(nn.Linear):
        def forward(self, batch: Batch) -> torch.Tensor:  # pyright: ignore
            logits = super().forward(batch["imu"])
            return logits * float(logits.max())

    model = Waits(3, 2).to(META)
    given = {"imu": torch.empty(4, 3, device=META), "label": torch.empty(4, dtype=torch.int64, device=META)}
    with pytest.raises((RuntimeError, NotImplementedError), match="meta"):
        update(model, torch.optim.AdamW(model.parameters()), given, 0.0, 4, 1)

"""What a fused network looks at, on an untrained one: the sums that must hold, and which clips are shown."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from datasets.manifest import Manifest
from experiments.report import looks
from models.build import build
from models.network import Network
from orchestrator.plan.spec import RunSpec
from orchestrator.serving import mistakes, saliency
from orchestrator.serving.export import copy_run
from orchestrator.storage.store import Store
from tests.support.runs.untrained import decode

Fused = tuple[Store, RunSpec, Network]
NAMES = {"imu": "IMU", "video": "Drawn figure"}


@pytest.fixture(scope="module")
def fused(made: tuple, manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Fused:
    """A storage with a fusion run of the paper's recipe that is done, its parents' specs, and no shards."""
    store, spec = Store(tmp_path_factory.mktemp("storage")), made[1]["fusion paper"]
    copy_run(made[0], spec.key, store)
    model = build(spec.network, len(manifest.classes), seed=0).eval()
    folder = store.run(spec.key)
    folder.save("model", {"model": model.state_dict()})
    folder.write_predictions(predictions(manifest))
    return store, spec, model  # pyright: ignore[reportReturnType]


def predictions(manifest: Manifest) -> pa.Table:
    """Of 3 classes x 4 clips: the first two of a class right, the more surely the later in the manifest."""
    labels = manifest.clips["label"].to_numpy()
    nth = np.array([(labels[:i] == label).sum() for i, label in enumerate(labels)])
    predicted = np.where(nth < 2, labels, (labels + 1) % 3)
    sure = np.linspace(0.5, 0.9, len(labels))
    probabilities = np.full((len(labels), 3), 0.05)
    probabilities[np.arange(len(labels)), predicted] = sure
    columns = {"clip": manifest.clips["clip"], "label": labels, "predicted": predicted}
    return pa.table({**columns, "probabilities": list(probabilities)})


def test_the_surest_of_each_sort_are_shown_a_class_once(fused: Fused, manifest: Manifest):
    store, spec, _ = fused
    table = predictions(manifest).to_pylist()
    chosen = saliency.choose(store.run(spec.key))
    rows = {row["clip"]: row for row in table}
    right = [rows[clip]["label"] == rows[clip]["predicted"] for clip in chosen]
    assert right == [True, True, False, False]
    for pair, side in ((chosen[:2], True), (chosen[2:], False)):
        assert len({rows[clip]["label"] for clip in pair}) == 2
        surest = max(max(row["probabilities"]) for row in table if (row["label"] == row["predicted"]) == side)
        assert max(rows[pair[0]]["probabilities"]) == surest


def test_attributions_add_up_to_the_logit(fused: Fused):
    _, _, model = fused
    torch.manual_seed(1)
    samples = 60
    batch = {
        "video": torch.randint(0, 256, (1, 8, 32, 32, 3), dtype=torch.uint8),
        "video_length": torch.tensor([6]),
        "imu": torch.randn(1, samples, 6),
        "imu_length": torch.tensor([50]),
    }
    batch["imu"][0, 3, 2] = torch.nan  # a sensor without a sample there
    found = saliency.attribute(model, batch, 1)
    video_THWC, imu_SC = found["video"], found["imu"]
    nothing = batch | {"video": torch.zeros_like(batch["video"]), "imu": torch.zeros_like(batch["imu"])}
    with torch.no_grad():
        rise = float(model.logits(batch)[0, 1] - model.logits(nothing)[0, 1])
    assert float(video_THWC.sum() + imu_SC.sum()) == pytest.approx(rise, rel=0.05, abs=1e-3)
    assert not video_THWC[6:].any() and not imu_SC[50:].any(), "padding has no part in it"
    assert imu_SC[3, 2] == 0 and imu_SC.abs().sum() > 0 and video_THWC.abs().sum() > 0


def test_shards_and_recordings_give_the_same_pictures(
    fused: Fused, manifest: Manifest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(saliency, "EACH", 1)
    monkeypatch.setattr(saliency, "STEPS", 2)
    monkeypatch.setattr(saliency, "MOMENTS", 3)
    store, spec, _ = fused
    decoded = saliency.looks(store, spec.key, NAMES)
    copy = Store(shutil.copytree(store.root, tmp_path / "storage"))
    decode(copy, manifest, spec)
    for one, other in zip(decoded, saliency.looks(copy, spec.key, NAMES), strict=True):
        assert one.clip == other.clip and [*one.seen] == [*other.seen] == [*NAMES.values()]
        assert all(np.array_equal(one.seen[name][0], other.seen[name][0]) for name in one.seen)
        assert np.allclose(one.so_far_MK, other.so_far_MK)
    assert len(decoded) == 2 and decoded[0].so_far_MK.shape == (3, len(manifest.classes))


def test_what_is_missing_is_said_in_one_sentence(fused: Fused, tmp_path: Path):
    store, spec, _ = fused
    cell = {"experiment": "modalities", "model": "fusion", "ratio": 1.0, "hidden": {"imu": [], "video": []}, "seed": 0}
    cell |= {"modalities": ["imu", "video"], "key": spec.key, "status": "pending"}
    results = {"modalities": NAMES, "cells": [cell]}
    assert looks(store, results) == "Not drawn: no fusion of all the training data is done."
    results["cells"][0]["status"] = "done"
    copy = Store(shutil.copytree(store.root, tmp_path / "storage"))
    (copy.run(spec.key).path / "model.pt").unlink()
    assert "model.pt: missing" in str(looks(copy, results))


def test_clips_that_are_nowhere_are_missed(fused: Fused, manifest: Manifest, tmp_path: Path) -> None:
    store, spec, _ = fused
    copy = Store(shutil.copytree(store.root, tmp_path / "storage"))
    moved = replace(manifest, root=tmp_path / "gone")
    moved.write(copy.manifest(spec.data.recordings))
    with pytest.raises(ValueError, match="neither shards nor recordings"):
        saliency.looks(copy, spec.key, NAMES)


def test_confused_clips_are_of_the_largest_cells_and_need_no_weights(fused: Fused, manifest: Manifest, tmp_path: Path):
    store, spec, _ = fused
    copy = Store(shutil.copytree(store.root, tmp_path / "storage"))
    (copy.run(spec.key).path / "model.pt").unlink()
    found = mistakes.mistakes(copy, spec.key, NAMES)
    classes = manifest.classes
    assert [(m.label, m.predicted, m.cell) for m in found] == [
        (classes[at], classes[(at + 1) % 3], 2) for at in (0, 0, 1, 1, 2, 2)
    ]
    assert found[0].confidence > found[1].confidence, "of a cell the surest first"
    for each in found:
        assert each.seen["Drawn figure"].shape[1:] == (32, 32, 3) and each.seen["IMU"].shape[1] == 6

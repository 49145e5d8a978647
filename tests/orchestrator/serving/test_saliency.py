"""What a fused network looks at, on an untrained one: the sums that must hold, and which clips are shown."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from datasets import shards
from datasets.manifest import Manifest
from datasets.spec import Sampling
from experiments.report import looks
from models.build import build, build_fusion
from models.fusion import Fusion
from orchestrator.plan.recipe import RECIPES
from orchestrator.plan.spec import DataSpec, RunSpec
from orchestrator.serving import saliency
from orchestrator.storage.store import Store


@pytest.fixture(scope="module")
def fused(manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, RunSpec, Fusion]:
    """A storage with a fusion run of the paper's recipe that is done, its parents' specs, and no shards."""
    store, how, classes = Store(tmp_path_factory.mktemp("storage")), RECIPES["paper"], len(manifest.classes)
    manifest.write(store.manifest(manifest.digest))
    data = DataSpec(manifest.digest, samples=manifest.max_samples, frames=8, size=32)
    stage1 = {m: RunSpec(how.models[m], data, how.optimization[m], 0) for m in ("imu", "video")}
    for spec in stage1.values():
        store.run(spec.key).begin(spec)
    parents = tuple((m, spec.key) for m, spec in stage1.items())
    spec = RunSpec(how.models["fusion"], data, how.optimization["fusion"], 0, parents=parents)  # pyright: ignore
    torch.manual_seed(0)
    model = build_fusion(spec.model, *(build(s.model, classes) for s in stage1.values()), classes).eval()  # pyright: ignore
    folder = store.run(spec.key)
    folder.begin(spec)
    folder.save("model", {"model": model.state_dict()})
    folder.write_predictions(predictions(manifest))
    folder.finish(1.0)
    return store, spec, model


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


def test_the_surest_of_each_sort_are_shown_a_class_once(fused: tuple[Store, RunSpec, Fusion], manifest: Manifest):
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


def test_attributions_add_up_to_the_logit(fused: tuple[Store, RunSpec, Fusion]):
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
    video_THWC, imu_SC = saliency.attribute(model, batch, 1)
    nothing = batch | {"video": torch.zeros_like(batch["video"]), "imu": torch.zeros_like(batch["imu"])}
    with torch.no_grad():
        rise = float(model(batch)[0, 1] - model(nothing)[0, 1])
    assert float(video_THWC.sum() + imu_SC.sum()) == pytest.approx(rise, rel=0.05, abs=1e-3)
    assert not video_THWC[6:].any() and not imu_SC[50:].any(), "padding has no part in it"
    assert imu_SC[3, 2] == 0 and imu_SC.abs().sum() > 0 and video_THWC.abs().sum() > 0


def test_shards_and_recordings_give_the_same_pictures(
    fused: tuple[Store, RunSpec, Fusion], manifest: Manifest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(saliency, "EACH", 1)
    monkeypatch.setattr(saliency, "STEPS", 2)
    monkeypatch.setattr(saliency, "MOMENTS", 3)
    store, spec, _ = fused
    decoded = saliency.looks(store, spec.key)
    copy = Store(shutil.copytree(store.root, tmp_path / "storage"))
    sampling = Sampling(frames=8, size=32, samples=manifest.max_samples)
    folder = shards.folder_of(copy.root, manifest, sampling)
    folder.mkdir(parents=True)
    recordings = shards.Recordings.of(manifest, sampling)
    count = manifest.clips.num_rows
    shards.write_table(recordings.decode(range(count)), folder / "part-00000.parquet")
    index = {"sampling": sampling.to_json(), "files": [{"file": "part-00000.parquet", "clips": count}]}
    (folder / "index.json").write_text(json.dumps(index))
    for one, other in zip(decoded, saliency.looks(copy, spec.key), strict=True):
        assert one.clip == other.clip and np.array_equal(one.frames_THWC, other.frames_THWC)
        assert np.allclose(one.so_far_MK, other.so_far_MK)
    assert len(decoded) == 2 and decoded[0].so_far_MK.shape == (3, len(manifest.classes))


def test_what_is_missing_is_said_in_one_sentence(fused: tuple[Store, RunSpec, Fusion], tmp_path: Path):
    store, spec, _ = fused
    cell = {"experiment": "modalities", "model": "fusion", "ratio": 1.0, "hidden": {"imu": [], "video": []}, "seed": 0}
    results = {"cells": [cell | {"key": spec.key, "status": "pending"}]}
    assert looks(store, results) == "Not drawn: no fusion of all the training data is done."
    results["cells"][0]["status"] = "done"
    copy = Store(shutil.copytree(store.root, tmp_path / "storage"))
    (copy.run(spec.key).path / "model.pt").unlink()
    assert "model.pt: missing" in str(looks(copy, results))


def test_clips_that_are_nowhere_are_missed(
    fused: tuple[Store, RunSpec, Fusion], manifest: Manifest, tmp_path: Path
) -> None:
    store, spec, _ = fused
    copy = Store(shutil.copytree(store.root, tmp_path / "storage"))
    moved = replace(manifest, root=tmp_path / "gone")
    moved.write(copy.manifest(manifest.digest))
    with pytest.raises(ValueError, match="neither shards nor recordings"):
        saliency.looks(copy, spec.key)

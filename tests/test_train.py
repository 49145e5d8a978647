"""One run in a real Ray Train worker: golden losses, resuming, two workers, a run that explodes."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from datasets.manifest import Manifest
from datasets.shards import Shards
from models.spec import FusionModel, ImuModel, VideoModel
from orchestrator import run
from orchestrator.spec import DataSpec, Optimization, RunSpec
from orchestrator.store import RunFolder, Store

# First losses of seed 0 on the tiny corpus; they move when the code computes something else: then raise spec.CODE.
GOLDEN = {"whole": [3.29629, 2.45892], "seen": [3.24748], "fused": [3.33129]}


@pytest.fixture(scope="module")
def store(written: Shards, manifest: Manifest) -> Store:
    store = Store(written.folder.parent.parent)
    manifest.write(store.manifest(manifest.digest))
    return store


@pytest.fixture(scope="module")
def imu(manifest: Manifest) -> RunSpec:
    data = DataSpec(manifest.digest, samples=manifest.max_samples)
    return RunSpec(ImuModel(), data, Optimization(lr=1e-3, weight_decay=1e-6, batch=4, epochs=4), seed=0)


@pytest.fixture(scope="module")
def video(manifest: Manifest) -> RunSpec:
    data = DataSpec(manifest.digest, frames=8, size=32)
    return RunSpec(VideoModel(), data, Optimization(lr=1e-3, weight_decay=1e-5, batch=4, epochs=2), seed=0)


def fit(store: Store, spec: RunSpec, written: Shards, **options: float) -> RunFolder:
    folder = store.run(spec.key)
    folder.begin(spec)
    run.fit(
        folder,
        {
            "key": spec.key,
            "storage": str(store.root),
            "sampling": asdict(written.sampling),  # pyright: ignore
            "resources": {"CPU": 0.5},
            **options,
        },
    )
    return folder


@pytest.fixture(scope="module")
def whole(store: Store, imu: RunSpec, written: Shards) -> RunFolder:
    return fit(store, imu, written)


@pytest.fixture(scope="module")
def seen(store: Store, video: RunSpec, written: Shards) -> RunFolder:
    return fit(store, video, written)


@pytest.fixture(scope="module")
def fused(store: Store, imu: RunSpec, video: RunSpec, whole: RunFolder, seen: RunFolder, written: Shards) -> RunFolder:
    data = replace(imu.data, frames=8, size=32, hidden_imu=(1,))
    optimization = Optimization(lr=5e-4, weight_decay=5e-6, batch=4, epochs=2)
    parents = (("imu", whole.key), ("video", seen.key))
    return fit(store, RunSpec(FusionModel(), data, optimization, seed=0, parents=parents), written)


@pytest.mark.parametrize("kind", ["whole", "seen", "fused"])
def test_golden_losses(kind: str, request: pytest.FixtureRequest):
    losses = [row["loss"] for row in request.getfixturevalue(kind).history()]
    assert losses[: len(GOLDEN[kind])] == pytest.approx(GOLDEN[kind], rel=2e-3)


def test_fusion_moves_only_what_the_paper_fine_tunes(fused: RunFolder, seen: RunFolder):
    before, after = seen.load("model"), fused.load("model")
    assert before is not None
    assert after is not None
    moved = set()
    for name, value in after["model"].items():
        if name.startswith("video.") and not value.equal(before["model"][name.replace("video.", "encoder.", 1)]):
            moved.add(name.split(".")[2])
    assert moved == {"9", "15"}  # Mixed_4c and Mixed_5c


def test_predictions_are_of_every_test_clip_once(fused: RunFolder, manifest: Manifest):
    table = pq.read_table(fused.path / "predictions.parquet")
    subjects = manifest.clips["subject"].to_pylist()
    even = [clip for clip, s in zip(manifest.clips["clip"].to_pylist(), subjects, strict=True) if s == 2]
    assert table["clip"].to_pylist() == even


def test_a_run_cut_off_after_an_epoch_ends_as_if_it_never_was(
    store: Store, imu: RunSpec, whole: RunFolder, written: Shards, tmp_path: Path
):
    """Bit for bit. Three epochs leave the checkpoint of the second; the whole run goes on from there."""
    three = replace(imu, optimization=replace(imu.optimization, epochs=3))
    short = fit(store, three, written, checkpoint_seconds=0)
    expected = pq.read_table(whole.path / "predictions.parquet"), [row["loss"] for row in whole.history()]
    (short.path / "checkpoint.pt").rename(whole.path / "checkpoint.pt")
    for lost in ("predictions.parquet", "model.pt"):
        (whole.path / lost).unlink()
    rows = [*short.history()[:2], {"epoch": 3, "loss": 99.0, "train_top1": 0.0, "seconds": 0.0}]
    (whole.path / "history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    again = fit(store, imu, written)
    assert [row["epoch"] for row in again.history()] == [1, 2, 3, 4]
    assert [row["loss"] for row in again.history()] == expected[1]
    assert pq.read_table(again.path / "predictions.parquet").equals(expected[0])


def test_two_workers_test_every_clip_once(store: Store, imu: RunSpec, written: Shards, whole: RunFolder):
    two = fit(store, replace(imu, workers=2), written)
    clips = [pq.read_table(f.path / "predictions.parquet")["clip"] for f in (two, whole)]
    assert clips[0].equals(clips[1])
    # The same global batches' worth of clips each epoch, in another order: losses stay close.
    first = [folder.history()[0]["loss"] for folder in (two, whole)]
    assert first[0] == pytest.approx(first[1], rel=0.05)


def test_a_loss_that_is_not_finite_ends_the_run_and_says_so(store: Store, imu: RunSpec, written: Shards):
    wild = replace(imu, optimization=replace(imu.optimization, lr=1e30))
    with pytest.raises(Exception, match="isn't finite") as caught:
        fit(store, wild, written)
    assert isinstance(run.root_cause(caught.value), FloatingPointError)
    assert not (store.run(wild.key).path / "model.pt").exists()

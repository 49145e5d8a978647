"""One run in a real Ray Train worker: golden losses, resuming, a run that explodes."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch

from datasets import corpora, sharding
from datasets.manifest import Manifest
from datasets.modalities import imu as signals
from datasets.modalities import video as videos
from models.build import build
from models.spec import NetworkSpec
from orchestrator.plan.spec import Optimization, RunSpec
from orchestrator.storage.metrics import score_run
from orchestrator.storage.run_folder import RunFolder
from orchestrator.storage.store import Store
from orchestrator.trial import run
from orchestrator.worker import cards
from tests.support.runs import specs, trials

# First losses of seed 0 on the tiny corpus; they move when the code computes something else: then raise spec.CODE.
GOLDEN = {"whole": [3.29629, 2.45892], "seen": [3.24748], "fused": [3.33129], "varying": [3.28459], "moving": [3.14920]}
GOLDEN |= {"joint": [3.34698]}


@pytest.fixture(scope="module")
def imu(manifest: Manifest, inputs: dict[str, Any]) -> RunSpec:
    how = Optimization(lr=1e-3, weight_decay=1e-6, batch=4, epochs=4)
    return specs.run("imu", how=how, recordings=manifest.of(["imu"]).digest, inputs=inputs)


@pytest.fixture(scope="module")
def video(manifest: Manifest, inputs: dict[str, Any]) -> RunSpec:
    how = Optimization(lr=1e-3, weight_decay=1e-5, batch=4, epochs=2)
    return specs.run("video", how=how, recordings=manifest.of(["video"]).digest, inputs=inputs)


def fused_of(manifest: Manifest, first: RunSpec, second: RunSpec, how: Optimization, **given: Any) -> RunSpec:
    """Stage 2 on two runs of stage 1, with their encoders and inputs."""
    head = {name: given.pop(name) for name in ("join", "finetuned", "label_smoothing") if name in given}
    encoders = {**first.network.encoders, **second.network.encoders}
    network = NetworkSpec(encoders, specs.network("imu", "video", **head).head)
    inputs = first.data.inputs | second.data.inputs
    given = {"parents": {"imu": first.key, "video": second.key}} | given
    return specs.run("imu", "video", how=how, network=network, inputs=inputs, recordings=manifest.digest, **given)


@pytest.fixture(scope="module")
def whole(store: Store, imu: RunSpec) -> RunFolder:
    return trials.train(store, imu, checkpoint_seconds=0)


@pytest.fixture(scope="module")
def seen(store: Store, video: RunSpec) -> RunFolder:
    return trials.train(store, video)


@pytest.fixture(scope="module")
def fused(
    store: Store, manifest: Manifest, imu: RunSpec, video: RunSpec, whole: RunFolder, seen: RunFolder
) -> RunFolder:
    how = Optimization(lr=5e-4, weight_decay=5e-6, batch=4, epochs=2)
    return trials.train(store, fused_of(manifest, imu, video, how, hidden={"imu": (1,)}))


@pytest.fixture(scope="module")
def varied(imu: RunSpec) -> RunSpec:
    """With every option of a tuned recipe."""
    how = signals.Augmentation(rotation=10, noise=0.03, warp=0.2, crop=0.1)
    one_cycle = replace(imu.optimization, optimizer="adamw", schedule="one-cycle")
    network = replace(imu.network, head=replace(imu.network.head, label_smoothing=0.1))
    data = replace(imu.data, inputs={"imu": replace(imu.data.inputs["imu"], resampled=60)})
    return replace(imu, network=network, data=data, optimization=one_cycle, augmentation={"imu": how})


@pytest.fixture(scope="module")
def varying(store: Store, varied: RunSpec) -> RunFolder:
    return trials.train(store, varied, checkpoint_seconds=0)


@pytest.fixture(scope="module")
def moving(store: Store, video: RunSpec) -> RunFolder:
    """Brightness and differences between frames as channels, in fp32: bf16's last bits are a processor's own."""
    data = replace(video.data, inputs={"video": replace(video.data.inputs["video"], channels="motion")})
    return trials.train(store, replace(video, data=data, optimization=replace(video.optimization, epochs=1)))


@pytest.mark.parametrize("kind", GOLDEN)
def test_golden_losses(kind: str, request: pytest.FixtureRequest):
    losses = [row["loss"] for row in request.getfixturevalue(kind).history()]
    # Processors round otherwise: an epoch of S3D on an Intel Xeon is off by 0.4 % of what it is on an AMD EPYC, and
    # what the fusion starts from has trained for epochs.
    rel = {"fused": 2e-2, "seen": 1e-2, "moving": 1e-2}.get(kind, 2e-3)
    assert losses[: len(GOLDEN[kind])] == pytest.approx(GOLDEN[kind], rel=rel)


def test_fusion_moves_only_what_the_paper_fine_tunes(fused: RunFolder, seen: RunFolder):
    before, after = seen.load("model"), fused.load("model")
    assert before is not None
    assert after is not None
    moved = set()
    for name, value in after["model"].items():
        if name.startswith("encoders.video.") and not value.equal(before["model"][name]):
            moved.add(name.split(".")[3])
    assert moved == {"9", "15"}  # Mixed_4c and Mixed_5c


def test_a_run_keeps_what_trained_it(whole: RunFolder):
    assert whole.record("device") == cards.used(torch.device("cpu"))


def test_predictions_are_of_every_test_clip_once(fused: RunFolder, manifest: Manifest):
    table = pq.read_table(fused.path / "predictions.parquet")
    subjects = manifest.clips["subject"].to_pylist()
    even = [clip for clip, s in zip(manifest.clips["clip"].to_pylist(), subjects, strict=True) if s == 2]
    assert table["clip"].to_pylist() == even


def test_what_a_test_clip_holds_reaches_no_weight(
    recordings: Path, inputs: dict[str, Any], whole: RunFolder, seen: RunFolder, fused: RunFolder, tmp_path: Path
):
    """Statistics, BatchNorm, losses and weights are the same, bit for bit, where every test clip is another."""
    spoilt = shutil.copytree(recordings, tmp_path / "recordings")
    for file in sorted(recordings.rglob("a?_s2_*")):  # each action's clips become the next one's
        after = int(file.name[1]) % 3 + 1
        shutil.copyfile(file.with_name(f"a{after}{file.name[2:]}"), spoilt / file.relative_to(recordings))
    manifest = corpora.read("synthetic", spoilt, tmp_path / "cache", ("imu", "video"))
    elsewhere = trials.with_manifests(Store(tmp_path), manifest)
    for name, given in inputs.items():
        sharding.write(tmp_path, manifest, name, given)
    keys: dict[str, str] = {}
    for first in (whole, seen, fused):
        data = replace(first.spec.data, recordings=manifest.of(first.spec.modalities).digest)
        parents = {modality: keys[key] for modality, key in first.spec.parents.items()}
        folder = trials.train(elsewhere, replace(first.spec, data=data, parents=parents))
        keys[first.key] = folder.key
        assert [row["loss"] for row in folder.history()] == [row["loss"] for row in first.history()]
        before, after = first.load("model"), folder.load("model")
        assert before and after and all(value.equal(after["model"][name]) for name, value in before["model"].items())
        scores = [pq.read_table(each.path / "predictions.parquet")["probabilities"] for each in (first, folder)]
        assert not scores[0].equals(scores[1]), "the test clips weren't changed"


def test_a_run_cut_off_after_an_epoch_ends_as_if_it_never_was(store: Store, imu: RunSpec, whole: RunFolder):
    goes_on_from_its_checkpoint(store, imu, whole)


def goes_on_from_its_checkpoint(store: Store, spec: RunSpec, whole: RunFolder) -> None:
    """Bit for bit. The checkpoint is of the third epoch of four; of the fourth a wrong row was written."""
    expected = pq.read_table(whole.path / "predictions.parquet"), [row["loss"] for row in whole.history()]
    assert len(expected[1]) == 4
    for lost in ("predictions.parquet", "model.pt"):
        (whole.path / lost).unlink()
    rows = [*whole.history()[:3], {"epoch": 4, "loss": 99.0, "train_top1": 0.0, "seconds": 0.0}]
    (whole.path / "history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    before = rows[2]["seconds"]
    again = trials.train(store, spec)
    assert [row["epoch"] for row in again.history()] == [1, 2, 3, 4]
    assert again.history()[2]["seconds"] == before, "what the checkpoint holds was trained again"
    assert [row["loss"] for row in again.history()] == expected[1]
    assert pq.read_table(again.path / "predictions.parquet").equals(expected[0])


def test_clips_that_vary_vary_alike_after_a_resume(store: Store, varied: RunSpec, varying: RunFolder):
    goes_on_from_its_checkpoint(store, varied, varying)


@pytest.mark.long
@pytest.mark.parametrize("part", [0.0, 0.3])
def test_a_fusion_of_cropped_videos_and_resampled_signals(
    part: float, store: Store, manifest: Manifest, varied: RunSpec, video_tuned: RunSpec
):
    """With videos that stay the trunk's outputs are kept, with videos that vary the videos are."""
    for spec in (varied, video_tuned):
        if store.run(spec.key).load("model") is None:
            trials.train(store, spec)
    how = varied.augmentation | {"video": videos.Augmentation(video=part)}
    few = replace(varied.optimization, epochs=3)
    given = {"hidden": {"video": (1,)}, "augmentation": how, "missing": 0.5, "join": "attention"}
    folder = trials.train(store, fused_of(manifest, varied, video_tuned, few, label_smoothing=0.1, **given))
    losses = [row["loss"] for row in folder.history()]
    assert losses[-1] < losses[0]
    assert pq.read_table(folder.path / "predictions.parquet").num_rows == 6


@pytest.fixture(scope="module")
def video_tuned(video: RunSpec) -> RunSpec:
    # Eight frames: of five to seven the stem's weight gradients write past their end (torch 2.14.1, AVX-512).
    data = replace(video.data, inputs={"video": videos.Input(8, 28, 8, 32)})
    how = replace(video.optimization, optimizer="adamw", schedule="one-cycle")
    network = replace(video.network, head=replace(video.network.head, label_smoothing=0.1))
    varied = {"video": videos.Augmentation(video=0.3)}
    return replace(video, network=network, data=data, optimization=how, augmentation=varied)


@pytest.fixture(scope="module")
def joint(store: Store, manifest: Manifest, varied: RunSpec, video_tuned: RunSpec) -> RunFolder:
    """One stage with every option of a fusion, at a rate at which nothing moves: it ends with what it started from."""
    still = replace(video_tuned.optimization, lr=1e-12, weight_decay=0, epochs=1, schedule="constant")
    how = varied.augmentation | video_tuned.augmentation
    head = {"finetuned": {}, "join": "attention", "label_smoothing": 0.1}
    given = {"parents": {}, "augmentation": how, "missing": 0.5}
    return trials.train(store, fused_of(manifest, varied, video_tuned, still, **head, **given))


def test_one_stage_starts_from_what_stage_1_starts_from_and_trains_all_of_it(
    store: Store, joint: RunFolder, varied: RunSpec, video_tuned: RunSpec
):
    state = joint.load("model")
    assert state is not None
    first = {}
    for name, encoder in joint.spec.network.encoders.items():
        alone = build(NetworkSpec({name: encoder}), 27, seed=0)
        first |= {f"encoders.{name}.{k}": v for k, v in alone.encoder(name).named_parameters()}
    assert len(first) > 100
    for name, value in first.items():
        assert torch.allclose(state["model"][name], value, atol=1e-6), name
    # The statistics of the training clips, as stage 1 takes them.
    for name, parent in (("imu", varied), ("video", video_tuned)):
        ran = store.run(parent.key)
        stage1 = ran.load("model") or trials.train(store, parent).load("model")
        assert stage1 is not None
        mean = f"encoders.{name}.mean"
        assert torch.allclose(state["model"][mean], stage1["model"][mean])
    metrics = score_run(joint)
    assert 0 <= metrics["top1_without_imu"] <= 1 and metrics["n_without_video"] == 6


def test_a_loss_that_is_not_finite_ends_the_run_and_says_so(store: Store, imu: RunSpec):
    wild = replace(imu, optimization=replace(imu.optimization, lr=1e30))
    with pytest.raises(Exception, match="isn't finite") as caught:
        trials.train(store, wild)
    assert isinstance(run.root_cause(caught.value), FloatingPointError)
    assert not (store.run(wild.key).path / "model.pt").exists()

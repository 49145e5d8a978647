"""Trunks: computed once as a Ray Data job or in each run, with equal bits; what is whole isn't computed again."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from datasets import modalities, shards, stream
from datasets.decoding import Recordings
from datasets.manifest import Manifest
from datasets.modalities import video as videos
from datasets.shards import Shards
from models import encoders
from models.build import build
from models.network import Network
from models.spec import EncoderSpec, HeadSpec, NetworkSpec
from orchestrator.driver import trunks as jobs
from orchestrator.plan.plan import Plan
from orchestrator.plan.rows import rows_of
from orchestrator.plan.spec import Optimization, RunSpec
from orchestrator.plan.study import Study
from orchestrator.storage import trunks
from orchestrator.storage.store import Store
from orchestrator.worker.reader import Reader
from orchestrator.worker.train import load_model, predict, settle_batchnorm, update
from orchestrator.worker.transforms import see
from tests.support.runs import specs
from tests.support.runs.spoilt import flipped

pytestmark = pytest.mark.usefixtures("one_thread")
ENCODER = EncoderSpec("s3d", {"weights": "sha256:seeded", "frozen": "Conv_2c"})
HOW = Optimization(lr=1e-3, weight_decay=0, batch=4, epochs=1)
VARIED = videos.Augmentation(video=0.3, views=2)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def store(written: dict[str, Shards], tmp_path_factory: pytest.TempPathFactory) -> Store:
    """With the tiny corpus's clips and seeded weights."""
    root = tmp_path_factory.mktemp("trunks")
    (root / "shards").symlink_to(written["imu"].folder.parents[1])
    store = Store(root)
    torch.manual_seed(5)
    layers = encoders.build("s3d", encoders.settings_of("s3d", {})).layers.state_dict()
    store.weights(ENCODER).parent.mkdir()
    torch.save({f"features.{name}": value for name, value in layers.items()}, store.weights(ENCODER))
    return store


@pytest.fixture(scope="module")
def stage1(manifest: Manifest) -> RunSpec:
    network = NetworkSpec({"video": ENCODER}, HeadSpec(hidden=None, dropout=0.2))
    given = {"inputs": {"video": videos.Input(8, 28, 8, 32)}, "recordings": manifest.digest_of(("video",))}
    return specs.run("video", how=HOW, network=network, augmentation={"video": VARIED}, **given)


@pytest.fixture(scope="module")
def stage2(manifest: Manifest, stage1: RunSpec, inputs: dict[str, Any]) -> RunSpec:
    """Of it Mixed_4c and Mixed_5c are fine-tuned, and class 1 is hidden from videos."""
    network = NetworkSpec({"imu": EncoderSpec("cnn"), "video": ENCODER}, specs.network("imu", "video").head)
    given = {"inputs": {"imu": inputs["imu"]} | stage1.data.inputs, "hidden": {"video": (1,)}, "missing": 0.3}
    return specs.run("imu", "video", how=HOW, network=network, recordings=manifest.digest, **given)


@pytest.fixture(scope="module")
def plan(manifest: Manifest, stage1: RunSpec, stage2: RunSpec) -> tuple[Plan, Study]:
    study = Study(manifest, "demo", "paper", runs={spec.key: spec for spec in (stage1, stage2)})
    return Plan("two", (), study.runs), study


@pytest.fixture(scope="module")
def done(store: Store, plan: tuple[Plan, Study]) -> list[Path]:
    """The folders of the clips as they are, and of their views."""
    found = jobs.needed(*plan, store)
    jobs.write(found, plan[1], store)
    assert jobs.needed(*plan, store) == []
    return [job.folder for job in found]


def reading(store: Store, manifest: Manifest, spec: RunSpec, read: Any, model: Network) -> Reader:
    reader = Reader(store, manifest, spec, CPU, read)
    for name, rows in zip(("train", "test"), rows_of(spec, manifest), strict=True):
        reader.open(name, rows)
    reader.keep(len(rows_of(spec, manifest)[0]), model)
    return reader


def trained(store: Store, manifest: Manifest, first: RunSpec, second: RunSpec, read: Any) -> Iterator[Any]:
    """Losses, weights and predictions of both stages."""
    parents: dict[str, Network] = {}
    for spec in (first, second):
        classes = len(manifest.classes)
        model = build(spec.network, classes, 0, parents) if parents else load_model(spec, store, classes)
        reader = reading(store, manifest, spec, read, model)
        sizes = stream.batch_sizes(len(rows_of(spec, manifest)[0]), 4, 1)
        optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-3)
        losses = []
        for epoch in (1, 2):
            torch.manual_seed(epoch)
            model.train()
            losses += [update(model, optimizer, b, 4, 1)["loss"].item() for b in reader.epoch(epoch, sizes)]
        settle_batchnorm(model, reader, [4])
        yield losses, {k: v.clone() for k, v in model.state_dict().items()}, predict(model, reader, manifest)
        parents = {"imu": build(specs.network("imu"), classes, 0), "video": model}


def test_shards_and_recordings_give_equal_bits_and_frozen_layers_keep_theirs(
    done: list[Path], store: Store, manifest: Manifest, stage1: RunSpec, stage2: RunSpec
) -> None:
    found = [list(trained(store, manifest, stage1, stage2, read)) for read in ("shards", "recordings")]
    published = torch.load(store.weights(ENCODER))
    for one, other in zip(*found, strict=True):
        assert one[0] == other[0] and len(set(one[0])) == len(one[0]) >= 2
        assert all(value.equal(other[1][name]) for name, value in one[1].items())
        assert one[2].equals(other[2])
        moved = {
            int(name.split(".")[1])
            for name, value in published.items()
            if not value.equal(one[1][f"encoders.video.layers.{name.removeprefix('features.')}"])
        }
        assert moved and min(moved) > encoders.BLOCKS["Conv_2c"]
    before, after = found[0]
    moved = {name.split(".")[3] for name, v in after[1].items() if "video" in name and not v.equal(before[1][name])}
    assert moved == {"9", "15"}


def test_clips_beyond_memory_are_shuffled_alike(
    done: list[Path], store: Store, manifest: Manifest, stage1: RunSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From shards and from recordings, whose clips are larger than what the frozen blocks make of them."""
    monkeypatch.setattr("orchestrator.worker.reader.KEEP_BYTES", 0)
    monkeypatch.setattr(stream, "SHUFFLE_BYTES", 3 * modalities.of("video").bytes(stage1.data.inputs["video"]))
    model = load_model(stage1, store, len(manifest.classes))
    sizes = stream.batch_sizes(len(rows_of(stage1, manifest)[0]), 2, 1)
    windows, batches = [], stream.batches
    monkeypatch.setattr(stream, "batches", lambda *given: windows.append(given[-1]) or batches(*given))
    orders = []
    for read in ("shards", "recordings"):
        reader = reading(store, manifest, stage1, read, model)
        assert reader.kept is None
        orders.append([batch["row"].tolist() for batch in reader.epoch(1, sizes)])
    assert orders[0] == orders[1] and orders[0] != sorted(orders[0])
    assert len(windows) > 1 and len(set(windows)) == 1


def test_a_clip_is_one_of_its_views_where_it_varies_and_itself_elsewhere(
    done: list[Path], store: Store, manifest: Manifest, stage1: RunSpec
) -> None:
    reader = reading(store, manifest, stage1, "shards", load_model(stage1, store, len(manifest.classes)))
    assert reader.kept and reader.kept["video_views"].shape[:2] == (6, 2)
    every = torch.cat([reader.kept["video_frozen"][:, None], reader.kept["video_views"]], 1)
    assert (every[:, 0] != every[:, 1]).any() and (every[:, 1] != every[:, 2]).any()
    torch.manual_seed(0)
    seen = [next(iter(reader.batches("train", 6, vary=True)))["video_frozen"] for _ in range(12)]
    which = torch.stack([(every == each[:, None]).flatten(2).all(2) for each in seen])
    assert (which.sum(2) == 1).all() and which.any(0).all()
    for name in ("train", "test"):
        [still] = reader.batches(name, 6)
        clips = shards.Shards.read(done[0]).table(still["row"].tolist())["video_frozen"].combine_chunks()
        assert np.array_equal(still["video_frozen"].numpy().ravel(), clips.flatten().to_numpy(zero_copy_only=False))


def test_a_hidden_class_is_padding(done: list[Path], store: Store, manifest: Manifest, stage2: RunSpec) -> None:
    """Where the trunk's output is kept, and where a later layer's is."""
    alone = load_model(replace(stage2, parents={}), store, len(manifest.classes))
    for parents in ({}, dict.fromkeys(stage2.modalities, alone)):
        model = build(stage2.network, len(manifest.classes), 0, parents).eval()
        reader = reading(store, manifest, stage2, "shards", model)
        [batch] = reader.batches("train", 64)
        name = "video_trunk" if parents else "video_frozen"
        hidden = batch["label"] == 1
        assert hidden.any() and torch.equal(batch[f"{name}_length"] == 0, hidden)
        assert torch.equal(batch[name][hidden], reader.blank["video"][name].expand_as(batch[name][hidden]))
        assert not torch.equal(batch[name][~hidden], reader.blank["video"][name].expand_as(batch[name][~hidden]))


def test_a_recording_is_predicted_as_its_trunk_is(
    done: list[Path], store: Store, manifest: Manifest, stage1: RunSpec
) -> None:
    model = load_model(stage1, store, len(manifest.classes)).eval()
    [batch] = reading(store, manifest, stage1, "shards", model).batches("test", 64)  # pyright: ignore
    for i, row in enumerate(batch["row"].tolist()):
        given = stage1.data.inputs["video"]
        x, length = (torch.from_numpy(np.asarray(v))[None] for v in loaded(manifest, row, given))
        raw = see({"video": x, "video_length": length}, stage1, vary=False)
        with torch.no_grad():
            whole = model.logits(raw)  # pyright: ignore
            assert whole.equal(model.logits({k: v[i, None] for k, v in batch.items()}))  # pyright: ignore


def loaded(manifest: Manifest, row: int, given: Any) -> tuple[np.ndarray, int]:
    clip = manifest.clips.slice(row, 1).to_pylist()[0]
    source = Recordings.of(manifest, "video", given).source
    return modalities.of("video").load(manifest.root, clip["video"], clip["video_count"], source, given)


def test_what_is_lost_or_damaged_is_computed_again_and_nothing_else(
    done: list[Path], store: Store, plan: tuple[Plan, Study], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = done[1]
    files = sorted(folder.glob("*.parquet"))
    content = {file: file.read_bytes() for file in files}
    assert len(files) == 3 and Shards.read(folder).rows is not None
    (folder / "index.json").unlink()
    files[1].unlink()
    flipped(files[2])
    index = Shards(folder, "video_views", {}, tuple(f.name for f in files), (2, 2, 2), (), trunks.of(
        plan[1].manifest, next(iter(plan[0].runs.values())), "video")[1].rows)  # fmt: skip
    with pytest.raises(ValueError, match=rf"{files[2].name}: is damaged .* the next start writes it again"):
        index.table([index.rows[-1]])  # pyright: ignore
    before = {file: file.stat().st_mtime_ns for file in files[:1]}
    [job] = jobs.needed(*plan, store)
    assert (job.folder, job.views) == (folder, 2 * 4)
    jobs.write([job], plan[1], store)
    assert {file: file.read_bytes() for file in files} == content
    assert {file: file.stat().st_mtime_ns for file in files[:1]} == before
    assert "varied views through s3d up to Conv_2c, at most" in capsys.readouterr().out


def test_a_search_that_varies_what_frozen_blocks_see_is_refused(
    done: list[Path], store: Store, plan: tuple[Plan, Study], stage1: RunSpec
) -> None:
    jobs.check_written(list(plan[0].runs.values()), plan[1], store)
    other = replace(stage1, augmentation={"video": replace(VARIED, video=0.2)})
    with pytest.raises(ValueError, match=r"--settings: .* frozen blocks of s3d see of video, .* --read recordings"):
        jobs.check_written([other], plan[1], store)


def test_a_disk_that_cannot_hold_it_is_refused(
    store: Store, plan: tuple[Plan, Study], done: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("shards", "weights"):
        (tmp_path / name).symlink_to(store.root / name)
    monkeypatch.setattr(jobs.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1 << 10}))
    with pytest.raises(ValueError, match=r"0 MB are free and the trunks take up to \d+ MB\. .* --read recordings"):
        jobs.needed(*plan, Store(tmp_path))

"""Three modalities, the third a made-up one: hidden classes, modality dropout, and what is predicted without some.

Clips are made up and kept in memory: no Ray.
"""

import copy
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from datasets import modalities, splits, stream
from datasets.manifest import Manifest
from datasets.modalities.imu import Imu, Input, Settings
from datasets.modalities.modality import Source
from datasets.stream import Batch
from experiments import modality_comparison, zero_shot
from models import encoders
from models.build import build
from models.network import Network
from models.spec import HeadSpec, NetworkSpec
from orchestrator.plan.plan import Plan
from orchestrator.plan.rows import rows_of
from orchestrator.plan.spec import RunSpec
from orchestrator.plan.study import Study
from orchestrator.storage.metrics import lacking, score_run
from orchestrator.storage.store import Store
from orchestrator.worker.reader import Reader
from orchestrator.worker.train import predict, settle_batchnorm, update
from tests.support.runs.networks import CLASSES
from tests.support.runs.plans import manifest

pytestmark = pytest.mark.usefixtures("one_thread", "seeded")
THREE = ("imu", "pulse", "video")


class Pulse(Imu):
    """A signal of one channel."""

    name, label, endings = "pulse", "Pulse", (".pulse",)

    def input(self, settings: Settings, source: Source, longest: Callable[[int | None], int]) -> Input:
        return Input(longest(None), 1)


BEAT = {"channels": 1, "filters": (4, 6, 8), "kernels": (24, 16, 8), "dropout": 0.0}


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(modalities.MODALITIES, "pulse", f"{__name__}:Pulse")
    line = encoders.Line("models.encoders.cnn:CNN", "pulse", BEAT, encoders.ENCODERS["cnn"].blocks)
    monkeypatch.setitem(encoders.ENCODERS, "beat", line)


@pytest.fixture
def clips() -> Manifest:
    """Nine of each of two subjects, of whom the second is tested."""
    made = manifest(classes=CLASSES, subjects=2)
    count = made.clips.num_rows
    new = {"pulse": ["p"] * count, "pulse_count": [100] * count, "pulse_content": [*map(str, range(count))]}
    table = made.clips
    for name, values in new.items():
        table = table.append_column(name, pa.array(values, pa.int32() if name.endswith("count") else pa.string()))
    return Manifest(made.corpus, made.shows, made.layout, made.classes, table, made.root)


def planned(clips: Manifest, cells: Any, **how: Any) -> list[tuple[Any, RunSpec]]:
    study = Study(clips, "demo", "paper", **how)
    found = [*cells(study, 0)]
    plan = Plan.of("three", found, study.runs)
    return [(cell, plan.runs[cell.key]) for cell in found]


def of_fusion(clips: Manifest, hidden: dict[str, tuple[int, ...]] | None = None, **changes: Any) -> RunSpec:
    study = Study(clips, "demo", "paper", set=changes)
    return study.runs[study.cell("modalities", THREE, 0, hidden=hidden).key]


@pytest.fixture
def read(clips: Manifest, monkeypatch: pytest.MonkeyPatch) -> Callable[[RunSpec], Reader]:
    """A Reader of noise."""
    draw = torch.Generator().manual_seed(3)

    def made(spec: RunSpec) -> Reader:
        reader = Reader(Store(Path("/nowhere")), clips, spec, torch.device("cpu"), "recordings")
        count = clips.clips.num_rows
        batch: Batch = {"row": torch.arange(count), "label": torch.from_numpy(splits.labels(clips).astype(np.int64))}
        for name, given in spec.data.inputs.items():
            batch[name] = modalities.of(name).drawn(given, count, draw)
            batch[f"{name}_length"] = torch.full((count,), batch[name].shape[1])
        parts = zip(("train", "test"), rows_of(spec, clips), strict=True)
        reader.datasets = {name: {k: v[rows] for k, v in batch.items()} for name, rows in parts}  # pyright: ignore
        return reader

    monkeypatch.setattr(
        stream, "batches", lambda clips, size, shapes, order, window: stream.from_memory(clips, size, order)
    )
    return made


def network(spec: RunSpec, stage1: dict[str, Network]) -> Network:
    """Of an untrained parent for the third modality, and of those with statistics that let a clip through."""
    pulse = build(NetworkSpec({"pulse": spec.network.encoders["pulse"]}, HeadSpec(hidden=8)), CLASSES, 0)
    return build(spec.network, CLASSES, 0, copy.deepcopy(stage1) | {"pulse": pulse})


def test_each_alone_and_all_fused_and_each_starred(clips: Manifest) -> None:
    cells = planned(clips, modality_comparison.cells)
    assert [cell.model for cell, _ in cells] == [*THREE, "fusion"]
    fusion = cells[-1][1]
    assert fusion.parents == {cell.model: cell.key for cell, _ in cells[:-1]} and fusion.modalities == THREE
    assert fusion.name == "fusion imu+pulse+video seed=0"
    starred = planned(
        clips.of(THREE),
        lambda study, seed: [
            study.cell("zero_shot", read, seed, hidden={m: (1,)}) for m in THREE for read in (m, THREE)
        ],
    )
    for cell, spec in starred:
        trained = splits.labels(clips)[rows_of(spec, clips)[0]]
        assert (1 in trained) == (cell.model == "fusion") and spec.data.hidden == cell.hidden
    assert len(zero_shot.HIDDEN) * 6 == len([*zero_shot.cells(Study(manifest(), "demo", "paper", modalities=THREE), 0)])


def test_hidden_classes_lose_each_its_own_modality(clips: Manifest, read: Callable) -> None:
    reader = read(of_fusion(clips, {"imu": (1,), "pulse": (1, 2)}))
    [batch] = reader.batches("train", 64)
    for name, hidden in (("imu", [1]), ("pulse", [1, 2]), ("video", [])):
        lost = torch.isin(batch["label"], torch.tensor(hidden, dtype=torch.long))
        assert torch.equal(batch[f"{name}_length"] == 0, lost)
    assert all((batch[f"{name}_length"] > 0).all() for batch in reader.batches("test", 64) for name in THREE)


def test_dropout_takes_one_of_three_as_often(clips: Manifest, read: Callable, stage1: dict[str, Network]) -> None:
    """And nothing of a hidden class's clips; where a trunk is kept as well as where it isn't."""
    spec = of_fusion(clips, {"pulse": (1,)}, **{"fusion.missing": 0.6})
    reader, count = read(spec), 6000
    reader.keep(9, network(spec, stage1))
    assert reader.kept and reader.blank.keys() == {"video"}
    batch = {"label": torch.arange(count) % CLASSES, "video_trunk_length": torch.ones(count, dtype=torch.long)}
    batch |= {f"{name}_length": torch.full((count,), 60) for name in ("imu", "pulse")}
    batch["video_trunk"] = torch.ones(1).expand(count, *reader.blank["video"]["video_trunk"].shape[1:])
    reader.blank["video"]["video_trunk"] = torch.zeros_like(reader.blank["video"]["video_trunk"])
    found = reader.miss(reader.hide(batch), spec.missing)
    lost = torch.stack([found[f"{name}_length"] == 0 for name in ("imu", "pulse", "video_trunk")])
    hidden = batch["label"] == 1
    assert torch.equal(lost[:, hidden].sum(1), torch.tensor([0, hidden.sum(), 0])) and lost.sum(0).max() == 1
    assert lost[:, ~hidden].double().mean(1).tolist() == pytest.approx([0.2] * 3, abs=0.03)
    assert torch.equal(found["video_trunk"].flatten(1).sum(1) == 0, lost[2])


@pytest.mark.parametrize("join", ["concatenation", "attention"])
def test_without_each_that_may_be_missing_it_predicts_as_blind(
    join: str, clips: Manifest, read: Callable, stage1: dict[str, Network], tmp_path: Path
) -> None:
    spec = of_fusion(clips, **{"fusion.model.join": join})
    model, reader = network(spec, stage1).eval(), read(spec)
    table = predict(model, reader, clips)
    names = [name for name in table.column_names if name.startswith("without_")]
    assert names == [f"without_{'_'.join(of)}" for count in (1, 2) for of in combinations(THREE, count)]
    assert len(names) == 6 == len(lacking(THREE).values())
    [batch] = reader.batches("test", 64)
    logits = {}
    for missing in lacking(THREE).values():
        blind = batch | {f"{name}_length": torch.zeros_like(batch[f"{name}_length"]) for name in missing}
        with torch.no_grad():
            logits[missing] = model.logits(blind)
        assert table[f"without_{'_'.join(missing)}"].to_pylist() == logits[missing].argmax(1).tolist()
    for one, other in combinations(logits.values(), 2):
        assert not torch.allclose(one, other, atol=1e-4)

    folder = Store(tmp_path).run(spec.key)
    folder.begin(spec)
    folder.write_predictions(table)
    metrics = score_run(folder)
    assert metrics["n"] == 9 and {f"{name}_{part}" for name in ("top1", "k", "n") for part in names} <= metrics.keys()


@pytest.mark.parametrize("join", ["concatenation", "attention"])
def test_each_encoder_sees_a_clip_once_and_every_logit_is_what_the_whole_network_gives(
    join: str, clips: Manifest, read: Callable, stage1: dict[str, Network], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bit for bit: of each subset the whole network, with the frozen trunk's output of a missing clip repeated."""
    spec = of_fusion(clips, **{"fusion.model.join": join})
    model, reader = network(spec, stage1).eval(), read(spec)
    [batch] = reader.batches("test", 64)
    expected = []
    with torch.no_grad():
        made = {name: model.trunk(batch, name) for name in THREE}
        for without in [*lacking(THREE).values(), ()]:
            given = dict(made)
            for name in without:
                blank = model.blank(batch[name], name)
                given[name] = {at: value.expand_as(made[name][at]) for at, value in blank.items()}
            expected.append(model.logits(batch | {at: x for part in given.values() for at, x in part.items()}))
    logits, passes, found = model.logits, Counter(), []
    monkeypatch.setattr(model, "logits", lambda batch: found.append(logits(batch)) or found[-1])
    for name in THREE:
        model.encoder(name).layers[-1].register_forward_hook(lambda *_, name=name: passes.update([name]))
    predict(model, reader, clips)
    assert passes == dict.fromkeys(THREE, 2), "the clips, and as many that are missing"
    assert len(found) == 7 and all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


@pytest.mark.parametrize("join", ["concatenation", "attention"])
def test_a_step_reaches_all_that_trains(join: str, clips: Manifest, read: Callable, stage1: dict[str, Network]) -> None:
    changes = {"fusion.model.join": join, "fusion.missing": 0.6}
    spec = of_fusion(clips, {"imu": (1,)}, **changes)
    model, reader = network(spec, stage1), read(spec)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad])
    model.train()
    [batch] = reader.batches("train", 64, order=0, vary=True)
    found = update(model, optimizer, batch, len(batch["label"]), workers=1)
    assert found.keys() == {"loss", "train_top1", "broken"} and not found["broken"]
    for name, parameter in model.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, name
        video = name.startswith("encoders.video.") and not name.startswith(
            ("encoders.video.layers.9.", "encoders.video.layers.15.")
        )
        assert parameter.requires_grad != video, name


def test_batchnorm_is_settled_where_clips_are_compared_with_themselves(
    clips: Manifest, read: Callable[[RunSpec], Reader]
) -> None:
    study = Study(clips, "demo", "paper")
    spec = study.runs[study.cell("modalities", "video", 0).key]
    spec = replace(spec, network=replace(spec.network, objective="simclr"))
    model, reader = build(spec.network, CLASSES, 0), read(spec)
    settle_batchnorm(model, reader, [9])
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm3d)]
    assert norms and all(norm.num_batches_tracked == 2 for norm in norms)

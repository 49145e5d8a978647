"""Methods that others published, trained on made-up clips in memory: no test clip reaches a weight. No Ray."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from datasets import modalities, splits, stream
from datasets.manifest import Manifest
from datasets.stream import Batch
from models.build import build
from models.network import Network
from orchestrator.plan.plan import Plan
from orchestrator.plan.rows import rows_of
from orchestrator.plan.spec import RunSpec
from orchestrator.plan.study import Study
from orchestrator.storage.store import Store
from orchestrator.worker.reader import Reader
from orchestrator.worker.train import predict, set_statistics, settle_batchnorm, update
from tests.orchestrator.plan.test_rivals import FRAMED, READ, RIVALS
from tests.support.recordings.skeletons import with_skeletons
from tests.support.runs.plans import manifest

pytestmark = pytest.mark.usefixtures("one_thread")
ROWS: list[tuple[str, tuple[str, ...]]] = [
    *((name, FRAMED.get(name, READ)) for name in RIVALS),
    *((name, (*READ, "video")) for name in ("hamlet", "mumu")),
]
CLASSES, OUTPUTS = 5, 27  # of the clips; of the networks, for MuMu knows the groups of UTD-MHAD's classes


@pytest.fixture(scope="module")
def clips() -> Manifest:
    """Nine of each of two subjects, of whom the second is tested."""
    return with_skeletons(manifest(classes=CLASSES, subjects=2))


@pytest.fixture(scope="module")
def plan(clips: Manifest) -> Plan:
    """All methods, with a class that is hidden from the signals. Frozen blocks have drawn weights here."""
    study = Study(clips, "demo", "paper")
    cells = [study.cell("fusions", read, 0, method=name, hidden={"imu": (1,)}) for name, read in ROWS]
    return Plan.of("rivals", cells, study.runs)


@dataclass(frozen=True)
class Made:
    """By key networks after an epoch or two, their losses, and what they say of the test clips."""

    networks: dict[str, Network]
    losses: dict[str, list[float]]
    said: dict[str, list]


@pytest.fixture(scope="module")
def made(one_thread: None, plan: Plan, clips: Manifest) -> Iterator[tuple[Made, Made]]:
    """Twice; the test clips are others the second time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            stream, "batches", lambda clips, size, shapes, order, window: stream.from_memory(clips, size, order)
        )
        yield trained(plan, clips, 1), trained(plan, clips, 2)


def trained(plan: Plan, clips: Manifest, number: int) -> Made:
    """As `orchestrator.worker.train.train` goes about it."""
    made, size = Made({}, {}, {}), 5
    for key, spec in plan.runs.items():
        reader = read(spec, clips, number)
        parents = {role: copy.deepcopy(made.networks[parent]) for role, parent in spec.parents.items()}
        model = build(spec.network, OUTPUTS, spec.seed, parents)
        reader.keep(len(rows_of(spec, clips)[0]), model)
        set_statistics(model, spec, lambda reader=reader: reader.batches("train", 64))
        optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=spec.optimization.lr)
        torch.manual_seed(0)
        sizes = stream.batch_sizes(len(rows_of(spec, clips)[0]), size, 1)
        for batch in reader.epoch(1, sizes):
            found = update(model.train(), optimizer, batch, len(batch["label"]), 1)
            assert not found["broken"]
            made.losses.setdefault(key, []).append(found["loss"].item())
        settle_batchnorm(model, reader, [size])
        made.networks[key] = model.eval()  # pyright: ignore
        if spec.classifies:
            made.said[key] = predict(model, reader, clips)["probabilities"].to_pylist()
    return made


def read(spec: RunSpec, clips: Manifest, number: int) -> Reader:
    """Noise; of the test clips it is another with each number."""
    reader = Reader(Store(Path("/nowhere")), clips, spec, torch.device("cpu"), "recordings")
    labels = torch.from_numpy(splits.labels(clips).astype(np.int64))
    for part, rows in zip(("train", "test"), rows_of(spec, clips), strict=True):
        batch: Batch = {"row": torch.from_numpy(rows), "label": labels[rows]}
        for name, given in spec.data.inputs.items():
            draw = torch.Generator().manual_seed(number if part == "test" else 0)
            batch[name] = modalities.of(name).drawn(given, clips.clips.num_rows, draw)[rows]
            batch[f"{name}_length"] = torch.full((len(rows),), batch[name].shape[1])
        reader.datasets[part] = batch  # pyright: ignore
    return reader


@pytest.mark.parametrize(("name", "read"), ROWS)
def test_what_a_test_clip_holds_reaches_no_weight(
    name: str, read: tuple[str, ...], plan: Plan, made: tuple[Made, Made]
) -> None:
    """Of no stage of any method, bit for bit."""
    cell = plan.cells[ROWS.index((name, read))]
    for key in plan.behind(cell.key):
        first, second = (each.networks[key].state_dict() for each in made)
        assert first.keys() == second.keys() and all(value.equal(second[part]) for part, value in first.items())
        assert made[0].losses[key] == made[1].losses[key]
    first, second = (np.array(each.said[cell.key]) for each in made)
    assert first.shape == (9, OUTPUTS) and not np.allclose(first, second, atol=1e-4), "the test clips weren't changed"


def test_a_later_stage_leaves_its_parents_as_they_were(plan: Plan, made: tuple[Made, Made]) -> None:
    """A probe and a classifier train on frozen encoders, and networks that say what is alike are frozen as a whole."""
    networks = made[0].networks
    handed = [
        (role, networks[key], networks[child])
        for child, spec in plan.runs.items()
        for role, key in spec.parents.items()
    ]
    assert len(handed) == 10
    kept: Any
    before: Any
    for role, parent, child in handed:
        if role in child.encoders:
            kept, before = child.encoder(role), parent.encoder(role)
        elif role == "teacher":
            kept, before = child.teacher["head"], parent.head  # pyright: ignore
        else:
            kept, before = child.similar[role.removeprefix("similar_")], parent  # pyright: ignore
        states = kept.state_dict(), before.state_dict()
        assert states[0].keys() == states[1].keys() and all(v.equal(states[1][part]) for part, v in states[0].items())
        assert not any(p.requires_grad for p in kept.parameters())


def test_encoders_that_start_anew_beside_parents_have_statistics(plan: Plan, made: tuple[Made, Made]) -> None:
    [key] = [key for key, spec in plan.runs.items() if spec.stage == "cmkm"]
    network = made[0].networks[key]
    for name in READ:
        own, similar = network.encoder(name), network.similar[name].encoder(name)  # pyright: ignore
        assert own.mean.abs().max() > 0 and (own.std != 1).any() and not own.std.equal(torch.ones_like(own.std))
        pairs = zip(own.parameters(), similar.parameters(), strict=True)
        assert not any(one.equal(other) for one, other in pairs if one.numel() > 100)

"""An epoch of a laptop-scale run fed by Ray Data, against the same epoch from tensors in memory."""

import time
from collections.abc import Iterable
from statistics import median

import torch

from datasets.stream import Batch
from experiments.benchmarks.row import Place, Row
from experiments.benchmarks.stage2 import step
from models.build import build
from models.network import Network
from orchestrator.cluster import connect
from orchestrator.driver import prepare
from orchestrator.plan.rows import rows_of
from orchestrator.plan.spec import RunSpec
from orchestrator.worker.reader import Reader

ROUNDS = {"imu": 5, "video": 2}
TARGETS = {"imu": 1.5, "video": 1.10}


def measure(place: Place) -> list[Row]:
    """Seconds an epoch. "streamed" reads the shards again in each; "as a run does" reads them once and keeps them."""
    connect.connect(None)
    prepare.write_shards(place.study, place.store, place.study.inputs.items())
    return [row for modality in ROUNDS for row in _of(modality, place)]


def _of(modality: str, place: Place) -> list[Row]:
    study = place.study
    spec = study.runs[study.cell("modalities", modality, 0).key]
    torch.set_num_threads(spec.threads)
    model = build(spec.network, len(study.manifest.classes), spec.seed)
    reader = Reader(place.store, study.manifest, spec, torch.device("cpu"))
    rows, _ = rows_of(spec, study.manifest)
    reader.open("train", rows)
    began = time.monotonic()
    reader.keep(len(rows), model)
    reading, kept = time.monotonic() - began, reader.kept
    assert kept is not None
    streamed, in_memory = [], []
    for order in range(ROUNDS[modality] + 1):
        for clips, seconds in ((None, streamed), (kept, in_memory)):
            reader.kept = clips
            seconds.append(epoch(model, spec, reader.batches("train", spec.optimization.batch, order, vary=True)))
    streamed, in_memory = streamed[1:], in_memory[1:]  # the first of each warms up
    epochs, bare = spec.optimization.epochs, median(in_memory)
    found = {
        f"{modality}, streamed": (median(streamed), median(a / b for a, b in zip(streamed, in_memory, strict=True))),
        f"{modality}, as a run does": (bare + reading / epochs, 1 + reading / epochs / bare),
    }
    unit = f"s an epoch of {len(rows)} clips"
    return [Row("feed", of, ours, bare, unit, ratio, TARGETS[modality], False) for of, (ours, ratio) in found.items()]


def epoch(model: Network, spec: RunSpec, batches: Iterable[Batch]) -> float:
    """Seconds of one epoch's steps."""
    how = spec.optimization
    optimizer = torch.optim.Adam(model.parameters(), lr=how.lr, weight_decay=how.weight_decay)
    model.train()
    began = time.monotonic()
    for batch in batches:
        step(model, optimizer, batch)
    return time.monotonic() - began

"""DRIVER: what frozen blocks make of a corpus's clips, computed once by Ray Data jobs, before the first training."""

import json
import math
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import ray

from datasets import modalities, sharding, shards
from datasets.decoding import Recordings, fixed
from models import encoders
from orchestrator.cluster import placement
from orchestrator.driver.preflight import size
from orchestrator.driver.progress import duration
from orchestrator.driver.terminal import every, tell
from orchestrator.plan.plan import Plan
from orchestrator.plan.spec import RunSpec
from orchestrator.plan.study import Study
from orchestrator.storage import pretrained, trunks
from orchestrator.storage.store import Store
from orchestrator.storage.trunks import Trunk


@dataclass(frozen=True)
class Job:
    """A folder that is to be written, in `tasks` that have the rows of a part each. A task `takes` a CPU or of a GPU.

    `shape` is that of one view, which takes `seconds`; `views` are those that aren't there yet.
    """

    trunk: Trunk
    folder: Path
    tasks: Sequence[dict[str, Any]]
    takes: dict[str, float]
    shape: tuple[int, ...]
    seconds: float
    views: int

    @property
    def bytes(self) -> int:
        """At most: float16, before compression."""
        return self.views * math.prod(self.shape) * 2

    def describe(self) -> str:
        cpus, gpus = placement.capacity()
        [(kind, each)] = self.takes.items()
        slots = max(1, int((gpus if kind == "num_gpus" else cpus) / each))
        encoder, what = self.trunk.encoder, "varied views" if self.trunk.how else "clips"
        return (
            f"trunk of {self.trunk.modality}: {self.views} {what} through {encoder.name} up to"
            f" {encoder.settings['frozen']}, at most {size(self.bytes)}, about"
            f" {duration(self.views * self.seconds / slots)} with {slots} at once"
        )


def needed(plan: Plan, study: Study, store: Store) -> list[Job]:
    """What the runs that aren't done read and nobody has computed yet, with the disk and the time that it takes, which
    are told. Needs a Ray that is connected. Raises ValueError where the disk can't hold it."""
    jobs, probed = [], {}
    for folder, (trunk, takes) in _read(plan, study, store).items():
        if shards.begin(folder, tell):
            continue
        alone = replace(trunk, how=None, rows=None)
        if alone.folder(store.root) not in probed:
            probe = ray.remote(_probe).options(**takes)
            probed[alone.folder(store.root)] = ray.get(probe.remote(alone, store.weights(trunk.encoder)))
        shape, seconds = probed[alone.folder(store.root)]
        tasks = _tasks(study, trunk)
        left = sum(len(task["rows"]) for task in tasks if shards.damage(folder / task["file"], task["clips"]))
        jobs.append(Job(trunk, folder, tasks, takes, shape, seconds, left * len(trunk.numbers)))
        tell(jobs[-1].describe())
    wanted, free = sum(job.bytes for job in jobs), shutil.disk_usage(store.root).free
    if wanted > free:
        raise ValueError(
            f"--storage {store.root}: {size(free)} are free and the trunks take up to {size(wanted)}. Make room, give a"
            " folder on another disk, store fewer views of each clip (--set STAGE.augmentation.views 1), or add --read"
            " recordings, with which each run computes them anew."
        )
    return jobs


def write(jobs: Sequence[Job], study: Study, store: Store) -> None:
    """Compute them from the shards of the clips, which are there. A part that is there and whole isn't computed again.

    Raises OSError where the disk is full, and ValueError where a shard is damaged.
    """
    for job in jobs:
        began, trunk = time.monotonic(), job.trunk
        clips = shards.Shards.read(shards.folder_of(store.root, study.manifest, trunk.modality, trunk.input))
        write_one = partial(
            _write_part, trunk=trunk, clips=clips, weights=store.weights(trunk.encoder), folder=job.folder
        )
        count = sum(task["clips"] for task in job.tasks)
        progress = every(max(1, count // 10), f"{trunk.modality} clips through the trunk")
        files = sharding.run(job.tasks, job.folder, write_one, progress, takes=job.takes)
        shape = [len(trunk.numbers), *job.shape] if trunk.how else job.shape
        index = {"modality": trunk.column, "input": {"shape": shape} | trunk.about}
        shards.end(job.folder, index | ({"rows": trunk.rows} if trunk.rows else {}), files)
        tell(f"trunk: {len(files)} in {job.folder} ({time.monotonic() - began:.1f} s)")


def check_written(specs: Sequence[RunSpec], study: Study, store: Store) -> None:
    """Raises ValueError where runs that a search proposes would read what nobody has computed for them."""
    for spec in specs:
        for name in spec.modalities:
            for trunk in trunks.of(study.manifest, spec, name):
                if not (trunk.folder(store.root) / "index.json").exists():
                    raise ValueError(
                        f"--settings: this search varies what frozen blocks of {trunk.encoder.name} see of {name}, so"
                        " that each setting needs a trunk of its own. Add --read recordings, or --set"
                        f" {name}.model.frozen none {name}.augmentation.views 0, or judge one change with --settings 0"
                        " --set NAME VALUE."
                    )


def _read(plan: Plan, study: Study, store: Store) -> dict[Path, tuple[Trunk, dict[str, float]]]:
    """By folder what runs that aren't done read, and what a task of it takes."""
    asked = {}
    for key, spec in plan.runs.items():
        for name, encoder in spec.network.encoders.items():
            if encoder.frozen and store.run(key).status != "done":
                told = name, encoder, spec.augmentation.get(name), spec.data.inputs[name], spec.data.protocol
                asked[repr(told)] = spec, name
    found = {}
    for spec, name in asked.values():
        share = placement.worker_resources(spec, study.gpus).get("GPU", 0.0)
        for trunk in trunks.of(study.manifest, spec, name):
            found[trunk.folder(store.root)] = trunk, {"num_gpus": share} if share else {"num_cpus": 1.0}
    return found


def _tasks(study: Study, trunk: Trunk) -> list[dict[str, Any]]:
    """A part for each shard of the clips that holds any of the rows."""
    bounds = Recordings.of(study.manifest, trunk.modality, trunk.input).bounds()
    rows = np.arange(bounds[-1]) if trunk.rows is None else np.array(trunk.rows)
    held = [rows[(rows >= start) & (rows < stop)].tolist() for start, stop in pairwise(bounds)]
    return [{"file": shards.part_name(i), "clips": len(of), "rows": of} for i, of in enumerate(held) if of]


def _write_part(task: dict, trunk: Trunk, clips: shards.Shards, weights: Path, folder: Path) -> dict[str, Any]:
    @contextmanager
    def made() -> Iterator[Any]:
        yield _table(trunk, clips.table(task["rows"]), weights), [], {}

    return sharding.write_part(folder / task["file"], task["clips"], made)


def _table(trunk: Trunk, clips: pa.Table, weights: Path) -> pa.Table:
    from datasets import stream  # with torch, which the driver does without

    name, encoder = trunk.modality, _encoder(trunk, weights)
    batch = stream.tensors(clips, {name: modalities.of(name).shape(trunk.input)})
    values, lengths = [], []
    for i, row in enumerate(batch["row"].tolist()):
        found, steps = trunks.compute(trunk, encoder, row, batch[name][i, None], batch[f"{name}_length"][i, None])
        values.append((found if trunk.how else found[0]).numpy())
        lengths.append(steps)
    column = fixed(values, pa.float16())
    return pa.table(
        {"row": clips["row"], trunk.column: column, f"{trunk.column}_length": pa.array(lengths, pa.int64())}
    )


def _probe(trunk: Trunk, weights: Path) -> tuple[tuple[int, ...], float]:
    """The shape of what the trunk makes of a clip, and the seconds that it takes."""
    import torch

    padding, _ = modalities.of(trunk.modality).missing(trunk.input)
    clip = torch.from_numpy(padding)[None], torch.tensor([0])
    encoder = _encoder(trunk, weights)
    trunks.compute(trunk, encoder, 0, *clip)  # the first one takes longer
    began = time.monotonic()
    found, _ = trunks.compute(trunk, encoder, 0, *clip)
    return tuple(found.shape[1:]), time.monotonic() - began


def _encoder(trunk: Trunk, weights: Path) -> Any:
    """Of this process, on its GPU where it has one; a process computes several parts."""
    device = "cuda" if ray.get_gpu_ids() else "cpu"
    return _loaded(trunk.encoder.name, json.dumps(trunk.encoder.settings), weights, device)


@lru_cache(1)
def _loaded(name: str, settings: str, weights: Path, device: str) -> Any:
    encoder = encoders.build(name, json.loads(settings)).eval()
    encoder.load_weights(pretrained.read(weights))
    return encoder.to(device)

"""What a plan takes, what the cluster has and where everything goes: one table before anything starts."""

import math
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from datasets import modalities, shards
from models.encoders import ENCODERS
from orchestrator.cluster import memory, placement
from orchestrator.plan.options import existing
from orchestrator.plan.plan import Plan
from orchestrator.plan.recipes import SCALES
from orchestrator.plan.spec import RunSpec
from orchestrator.plan.study import Study
from orchestrator.storage.store import Store
from orchestrator.worker import cards

Node = dict[str, float]


def table(
    plan: Plan,
    study: Study,
    store: Store,
    nodes: Sequence[Node],
    concurrency: int | None,
    tracking: str,
    read: str = "shards",
    here: bool = True,
    found: Sequence[cards.Card] = (),
) -> Table:
    """`here`: Ray was started here. `found`: the cluster's cards, as far as its nodes tell them.

    Raises ValueError where the disk can't hold even the runs' weights.
    """
    todo = {key: spec for key, spec in plan.runs.items() if store.run(key).status != "done"}
    out = Table(title=Text(f"{plan.name}: {len(plan.cells)} cells behind {len(plan.runs)} runs"), show_header=False)
    for stage, specs in plan.stages.items():
        left = sum(spec.key in todo for spec in specs)
        takes = _needs(_largest(specs), study.gpus, nodes, concurrency)
        _add(out, f"{stage} runs", f"{left} to do of {len(specs)}; {takes}")
    cpus, gpus = (sum(node.get(name, 0.0) for node in nodes) for name in ("CPU", "GPU"))
    hiding = placement.hiding_gpus(here)
    by = f" ({hiding} may hide others)" if hiding else ""
    _add(out, "cluster", f"{len(nodes)} node(s) with {cpus:g} CPUs and {gpus:g} GPUs{by}")
    if found:
        _add(out, "cards", cards.words(found))
    for sentence in memory.check(todo.values(), study.gpus, found):
        _add(out, "memory", sentence)
    if words := idle_gpus(list(todo.values()), study.gpus, nodes, concurrency):
        _add(out, "idle", words)
    _add(out, "storage", str(store.root))
    _add(out, "disk", disk(list(todo.values()), plan.inputs, study, store, read))
    _add(out, "tracking", f"MLflow at {tracking}")
    return out


def _add(table: Table, *entries: str) -> None:
    table.add_row(*(Text(entry) for entry in entries))  # a plain string would be read as markup


def _largest(specs: Sequence[RunSpec]) -> RunSpec:
    """The run that takes most: a stage may fuse several sets of modalities."""
    return max(specs, key=lambda spec: (spec.workers, spec.threads, len(spec.modalities)))


def _needs(spec: RunSpec, gpus: placement.Gpus, nodes: Sequence[Node], concurrency: int | None) -> str:
    worker = placement.worker_resources(spec, gpus)
    each = ", ".join(f"{value:g} {name}" for name, value in worker.items())
    return (
        f"each {spec.workers} worker(s) of {each}, and {placement.DATA_CPUS} CPU for Ray Data;"
        f" {placement.at_once(spec, gpus, nodes, concurrency)} at once"
    )


def idle_gpus(
    todo: Sequence[RunSpec], gpus: placement.Gpus, nodes: Sequence[Node], concurrency: int | None
) -> str | None:
    """Which GPUs of the cluster stay idle, and the flags that use them; None where none has to.

    A run takes a GPU where its scale or --gpus gives it one; `demo` and `laptop` give it none.
    """
    there = sum(node.get("GPU", 0.0) for node in nodes)
    counts = Counter(spec.stage for spec in todo)
    stages = {stage: _largest([spec for spec in todo if spec.stage == stage]) for stage in counts}
    if not there or not stages:
        return None
    without = [stage for stage in stages if not gpus[stage]]
    if without:
        flags = " ".join(f"{stage} {SCALES['paper'].gpus_of(stages[stage].modalities):g}" for stage in without)
        return f"{' and '.join(without)} runs take none of the {there:g} GPU(s); with --gpus {flags} they would"
    busy = 0.0
    for stage, spec in stages.items():
        most = min(counts[stage], placement.at_once(spec, gpus, nodes, concurrency))
        busy += most * placement.need(spec, gpus).gpus
    idle = math.floor(there - busy)
    return f"{idle} of {there:g} GPUs, for lack of runs or CPUs; --seeds and --workers use more" if idle > 0 else None


def disk(
    todo: Sequence[RunSpec], inputs: Iterable[tuple[str, Any]], study: Study, store: Store, read: str = "shards"
) -> str:
    """What will be written, at most, and what is free. Raises ValueError where the weights alone don't fit."""
    runs = sum(map(run_bytes, todo))
    # What is in training holds a checkpoint of three times its weights; no more runs than there are left.
    runs += 3 * max(map(run_bytes, todo), default=0)
    folders = [(shards.folder_of(store.root, study.manifest, m, given), m, given) for m, given in inputs]
    absent = [(m, given) for folder, m, given in folders if not (folder / "index.json").exists()]
    a_clip = sum(modalities.of(m).bytes(given) for m, given in absent)
    written, decoded = not absent, study.manifest.clips.num_rows * a_clip if read == "shards" else 0
    free = shutil.disk_usage(existing(store.root)).free
    if runs > free:
        raise ValueError(
            f"--storage {store.root}: {size(free)} are free and the weights of {len(todo)} runs take {size(runs)}."
            " Make room, or give a folder on another disk."
        )
    enough = "" if runs + decoded < free else ": THAT MAY NOT BE ENOUGH"
    shown = "shards are there" if written else f"shards {size(decoded)} before compression"
    shown = shown if read == "shards" else "no shards, runs decode the recordings"
    return f"runs up to {size(runs)}, {shown}; {size(free)} free{enough}"


def size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def run_bytes(spec: RunSpec) -> int:
    """Of a run's weights and predictions; a checkpoint in training holds Adam's two moments as well."""
    return sum(round(ENCODERS[encoder.name].megabytes) << 20 for encoder in spec.network.encoders.values())

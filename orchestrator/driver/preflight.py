"""What a plan takes, what the cluster has and where everything goes: one table before anything starts."""

import math
import shutil
from collections import Counter
from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from datasets import shards
from orchestrator.cluster import placement
from orchestrator.plan.options import existing
from orchestrator.plan.plan import Plan
from orchestrator.plan.scale import SCALES
from orchestrator.plan.spec import MODALITIES, Modality, RunSpec
from orchestrator.plan.study import Study
from orchestrator.storage.store import Store

# Of a run's weights and predictions; a checkpoint in training holds Adam's two moments as well.
RUN_BYTES: dict[Modality, int] = {"imu": 2 << 20, "video": 34 << 20, "fusion": 37 << 20}

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
) -> Table:
    """`here`: Ray was started here. Raises ValueError where the disk can't hold even the runs' weights."""
    todo = {key: spec for key, spec in plan.runs.items() if store.run(key).status != "done"}
    out = Table(title=Text(f"{plan.name}: {len(plan.cells)} cells behind {len(plan.runs)} runs"), show_header=False)
    for kind in MODALITIES:
        specs = [spec for spec in plan.runs.values() if spec.kind == kind]
        if specs:
            left = sum(key in todo for key in (spec.key for spec in specs))
            _add(
                out,
                f"{kind} runs",
                f"{left} to do of {len(specs)}; {_needs(specs[0], study.gpus, nodes, concurrency)}",
            )
    cpus, gpus = (sum(node.get(name, 0.0) for node in nodes) for name in ("CPU", "GPU"))
    hiding = placement.hiding_gpus(here)
    by = f" ({hiding} may hide others)" if hiding else ""
    _add(out, "cluster", f"{len(nodes)} node(s) with {cpus:g} CPUs and {gpus:g} GPUs{by}")
    if words := idle_gpus(list(todo.values()), study.gpus, nodes, concurrency):
        _add(out, "idle", words)
    _add(out, "storage", str(store.root))
    _add(out, "disk", disk(list(todo.values()), study, store, read))
    _add(out, "tracking", f"MLflow at {tracking}")
    return out


def _add(table: Table, *entries: str) -> None:
    table.add_row(*(Text(entry) for entry in entries))  # a plain string would be read as markup


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
    kinds: dict[Modality, RunSpec] = {spec.kind: spec for spec in todo}
    if not there or not kinds:
        return None
    without: list[Modality] = [kind for kind in kinds if not gpus[kind]]
    if without:
        flags = " ".join(f"{kind} {SCALES['paper'].gpus[kind]:g}" for kind in without)
        return f"{' and '.join(without)} runs take none of the {there:g} GPU(s); with --gpus {flags} they would"
    counts = Counter(spec.kind for spec in todo)
    busy = 0.0
    for kind, spec in kinds.items():
        most = min(counts[kind], placement.at_once(spec, gpus, nodes, concurrency))
        busy += most * placement.need(spec, gpus).gpus
    idle = math.floor(there - busy)
    return f"{idle} of {there:g} GPUs, for lack of runs or CPUs; --seeds and --workers use more" if idle > 0 else None


def disk(todo: Sequence[RunSpec], study: Study, store: Store, read: str = "shards") -> str:
    """What will be written, at most, and what is free. Raises ValueError where the weights alone don't fit."""
    runs = sum(RUN_BYTES[spec.kind] for spec in todo)
    # What is in training holds a checkpoint of three times its weights; no more runs than there are left.
    runs += 3 * max((RUN_BYTES[spec.kind] for spec in todo), default=0)
    written = (shards.folder_of(store.root, study.manifest, study.sampling) / "index.json").exists()
    clips = study.manifest.clips.num_rows
    decoded = 0 if written or read != "shards" else clips * (study.sampling.video_bytes + study.sampling.imu_bytes)
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

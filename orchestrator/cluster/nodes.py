"""The nodes of the cluster: what each has, asking each of them something, and whether all see the storage."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from orchestrator.worker import cards


def alive() -> list[dict[str, float]]:
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def all_cards() -> list[cards.Card]:
    """Those of the nodes that have GPUs for Ray; a node is asked by a task that takes nothing of it."""
    found = [node["NodeID"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("GPU")]
    return [card for of_node in on_each(found, cards.here).values() for card in of_node]


def check_shared(storage: Path, given: Path, recordings: Path | None) -> None:
    """Raises ValueError unless every node of the cluster sees the storage and the recordings."""
    alive = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
    if len(alive) == 1:
        return
    like = "Give an absolute path on a file system that all of them mount, as in --storage /shared/two-stage-har."
    if not given.is_absolute():
        raise ValueError(f"--storage {given}: the cluster has {len(alive)} nodes. {like}")
    storage.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=storage, prefix=".seen-by-all-") as probe:
        looked_for = {f"--storage {storage}": probe.name}
        if recordings and recordings.exists():
            looked_for[f"--recordings {recordings}"] = str(recordings.resolve())
        for flag, path in looked_for.items():
            blind = sorted(alive[node] for node, sees in _seen(path, list(alive)).items() if not sees)
            if blind:
                raise ValueError(f"{flag}: {', '.join(blind)} of {len(alive)} nodes can't see it. {like}")


def _seen(path: str, nodes: list[str]) -> dict[str, bool]:
    return on_each(nodes, os.path.exists, path)


def on_each(nodes: list[str], ask: Callable[..., Any], *given: Any) -> dict[str, Any]:
    """What a function gives on each of these nodes, by the node's id."""
    remote = ray.remote(num_cpus=0)(ask)
    on = [NodeAffinitySchedulingStrategy(node, soft=False) for node in nodes]
    return dict(zip(nodes, ray.get([remote.options(scheduling_strategy=s).remote(*given) for s in on]), strict=True))

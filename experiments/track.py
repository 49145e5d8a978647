"""Log all that a storage holds into an MLflow that lacks it: a new server, or one that was down.

python experiments/track.py --storage DIR --tracking-uri http://SERVER:5000
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from datasets import modalities
from datasets.manifest import Manifest
from orchestrator.driver.terminal import console, refuse_bad_input
from orchestrator.report.results import read
from orchestrator.storage.redaction import without_secrets
from orchestrator.storage.store import Store
from orchestrator.tracking.address import Address, address
from orchestrator.tracking.errors import answering
from orchestrator.tracking.tracker import Tracker


@dataclass(frozen=True)
class Where:
    tracking_uri: str | None = None
    """MLflow's address; default: MLFLOW_TRACKING_URI, else the sqlite file in the storage."""
    storage: Path = Path("output")
    """The storage whose runs are logged."""


def track(where: Where) -> int:
    """Again and again on the same server adds only what it lacks. Raises ValueError where it doesn't answer."""
    store = Store(where.storage.resolve())
    to = address(where.tracking_uri, store.root)
    to.check()
    with answering(to.uri):
        return log_all(where, store, to)


def log_all(where: Where, store: Store, to: Address) -> int:
    left = {folder.key for folder in store.runs()}
    if not left:
        raise ValueError(f"--storage {where.storage}: no run was ever begun there.")
    for file in sorted(store.root.glob("reports/*/results.json")):
        results = read(file, ("plan", "corpus", "scale", "recipe", "protocol", "protocol_text", "created"))
        tracker = replay(to.uri, store, results, list(results["runs"]))
        statuses = [run["status"] for run in results["runs"].values()]
        counts = {"runs_done": statuses.count("done"), "runs_failed": statuses.count("failed")}
        page = file.with_name("report.html")
        tracker.end("FINISHED" if set(statuses) == {"done"} else "FAILED", [file, *[page] * page.exists()], counts)
        left -= results["runs"].keys()
    # What earlier starts of the same experiment ran with other flags.
    for about, keys in earlier(store, left):
        replay(to.uri, store, about, keys)
    console.print(f"MLflow at {without_secrets(to.uri)} ({to.source}) has it all", markup=False, highlight=False)
    return 0


def replay(uri: str, store: Store, about: dict[str, Any], keys: list[str]) -> Tracker:
    tracker = Tracker(uri, store, about)
    for key in keys:
        tracker.sync(key)
    console.print(f"{about['plan']}: {len(keys)} runs of {about['corpus']}, {about['scale']} scale", highlight=False)
    return tracker


def earlier(store: Store, keys: set[str]) -> list[tuple[dict[str, Any], list[str]]]:
    """Runs that no results.json names, together by what their folders say of the start that asked for them."""
    groups: dict[str, tuple[dict[str, Any], list[str]]] = {}
    for key in sorted(keys):
        about = store.run(key).record("spec").get("about")
        manifest = store.manifest(store.run(key).spec.data.recordings)
        if about and manifest.exists():
            found = Manifest.read(manifest)
            start = about | {"created": "earlier", "classes": list(found.classes), "modalities": {}}
            group = groups.setdefault(json.dumps(about), (start, []))
            group[0]["modalities"].update({m: modalities.of(m).named(found.shows.get(m)) for m in found.modalities})
            group[1].append(key)
    return list(groups.values())


if __name__ == "__main__":
    where = tyro.cli(Where, description=__doc__)
    sys.exit(refuse_bad_input(lambda: track(where)))

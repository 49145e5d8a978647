"""How a plan in a storage is doing, run by run with the key of each, from any terminal that sees the storage.

python experiments/status.py --storage DIR --plan full_grid
"""

import sys
import time
from collections import Counter
from typing import Any

import tyro
from rich.table import Table
from rich.text import Text

from datasets.files.atomic import read_json
from experiments.report import Which, results_of
from orchestrator.driver.progress import SIGN_SECONDS, duration, epoch_of
from orchestrator.driver.terminal import console, refuse_bad_input, tell
from orchestrator.storage.store import Store


def status(which: Which) -> int:
    store = Store(which.storage.resolve())
    results, progress = results_of(which.storage, which.plan), sign_of_life(store, which.plan)
    alive = not progress["ended"] and progress["age"] < 6 * SIGN_SECONDS
    tell(f"{which.plan}: {results['corpus']}, {results['scale']} scale, started {results['created']}")
    tell(f"{results['protocol_text']}; {results['scale_text']}; recipe {results['recipe']}")
    table = Table("run", "key", "status", "", box=None, pad_edge=False)
    for column in table.columns[:3]:
        column.no_wrap = True  # half a key is none
    count = Counter()
    for key, run in results["runs"].items():
        try:
            state, words = describe(store, key, run, progress, alive)
        except (KeyError, TypeError, ValueError) as error:
            state, words = "damaged", f"the next start says what is done again ({error})"
        count[state] += 1
        table.add_row(*(Text(entry) for entry in (run["name"], key, state, words)))
    console.print(table)
    if alive:
        left = progress["seconds_left"]
        at_work = f"at work on {progress['host']}, process {progress['process']}"
        at_work += f", about {duration(left)} left" if left is not None else ""
    elif progress["ended"]:
        at_work = f"not at work: ended {duration(progress['age'])} ago"
    else:
        at_work = f"not at work: no sign of life for {duration(progress['age'])}; the same command goes on from here"
    tell(f"{', '.join(f'{n} {state}' for state, n in count.items())}; {at_work}")
    return 0


def sign_of_life(store: Store, plan: str) -> dict[str, Any]:
    """progress.json with its age in seconds; a start that hasn't signed yet counts from its results.json.

    Raises ValueError where it is damaged.
    """
    file = store.report(plan) / "progress.json"
    record = {"ended": False, "running": [], "skipped": {}, "seconds_left": None, "host": "?", "process": "?"}
    if file.exists():
        record |= read_json(file)
        left, kinds = record["seconds_left"], {"ended": bool, "running": list, "skipped": dict}
        wrong = [name for name, kind in kinds.items() if not isinstance(record[name], kind)]
        if wrong or not (left is None or (isinstance(left, int | float) and abs(left) < 1e9)):
            raise ValueError(
                f"{file}: is damaged, {', '.join(wrong or ['seconds_left'])} can't be meant; a start mends it."
            )
    else:
        file = file.with_name("results.json")
    return record | {"age": max(0.0, time.time() - file.stat().st_mtime)}


def describe(store: Store, key: str, run: dict[str, Any], progress: dict[str, Any], alive: bool) -> tuple[str, str]:
    """A run's state, and what it got, where it stands or why it didn't."""
    folder = store.run(key)
    state = folder.status
    if state == "done":
        if not run["scored"]:
            return state, "no classifier, so no score"
        m = folder.record("metrics")
        return state, f"top-1 {100 * m['top1']:.2f} ({m['k']}/{m['n']}), F1 {100 * m['f1']:.2f}"
    if state == "failed":
        return state, folder.record("failed")["reason"]
    if key in progress["skipped"]:
        return "skipped", str(progress["skipped"][key])
    if alive and key in progress["running"]:
        begun = (folder.path / "spec.json").exists()  # which the trial writes, a moment after it was released
        return "training", epoch_of(folder, folder.spec) if begun else "starting"
    begun = folder.path.exists() and folder.history()
    return ("cut off", epoch_of(folder, folder.spec)) if begun else ("waiting", "")


if __name__ == "__main__":
    which = tyro.cli(Which, description=__doc__)
    sys.exit(refuse_bad_input(lambda: status(which)))

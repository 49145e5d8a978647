"""Keep a plan's finished results as a small record under experiments/results/, so that seeds add up over days.

python experiments/record.py --storage DIR --plan modality_comparison
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import tyro

from datasets.files.atomic import read_json, write_whole
from experiments.report import Which, file_of
from orchestrator.driver.terminal import console, refuse_bad_input
from orchestrator.storage.store import Store

FOLDER = Path(__file__).parent / "results"
ABOUT = ("plan", "corpus", "scale", "recipe", "protocol")
# What these names meant when a result was made: a recipe of one name has other epochs from one day to the next.
MEANT = ("scale_text", "protocol_text")
SCORES = ("top1", "k", "n", "top5", "f1", "k_seen", "n_seen", "k_hidden", "n_hidden")
WHAT = ("experiment", "model", "method", "modalities", "variant", "ratio", "hidden", "seed", "protocol", "key")


def record(which: Which) -> int:
    """A result that is in the record already, by its run's key, stays as it was first written.

    Rows of one cell with other keys are of other settings, or of code that made keys otherwise: a record's `keys` says
    which rows those are. `set` says what `--set` changed, `device` which processor or card trained the run, and `wrong`
    the clips that were named wrong, for a paired test of any two.
    """
    store, results = Store(which.storage.resolve()), read_json(file_of(which.storage, which.plan))
    results["recipe"], _, results["set"] = results["recipe"].partition(", ")
    name = "-".join(results[part] for part in ABOUT)
    out = FOLDER / f"{re.sub('[^a-z0-9]+', '-', name.lower().replace('_', '-')).strip('-')}.json"
    about = {part: results[part] for part in ABOUT}
    if out.exists():
        about |= {part: said for part, said in read_json(out).items() if part == "keys"}
    kept = _kept(out) if out.exists() else []
    known = {(row["experiment"], row["key"]) for row in kept}
    new = [row for row in _rows(results, store) if (row["experiment"], row["key"]) not in known]
    FOLDER.mkdir(exist_ok=True)
    write_whole(out, _text(about, kept + new))
    console.print(f"{out.name}: {len(new)} new of {len(kept) + len(new)} results", highlight=False)
    return 0


def _kept(file: Path) -> list[dict[str, Any]]:
    """Raises ValueError where a row doesn't say what its scale and protocol meant: another's words may be wrong."""
    rows = read_json(file)["results"]
    bare = [row["key"] for row in rows if not set(MEANT) <= row.keys()]
    if bare:
        raise ValueError(f"{file}: the results of {', '.join(bare)} lack {' and '.join(MEANT)}; give each its own.")
    return rows


def _rows(results: dict[str, Any], store: Store) -> list[dict[str, Any]]:
    """Of what is done and has a score."""
    source = {"protocol_text": results["protocol_text"], "date": results["created"][:10]}
    source |= {"command": re.sub(r"/\S*/", "", results["command"])}  # no machine's paths
    source |= {"set": results["set"]} if results["set"] else {}
    rows = []
    for cell in (cell for cell in results["cells"] if cell["status"] == "done" and scores(cell)):
        row = {part: cell.get(part, "") for part in (*WHAT, "scale_text")} | {s: cell[s] for s in scores(cell)}
        right = store.run(cell["key"]).right()
        wrong = {} if right is None else {"wrong": sorted(clip for (_, clip), named in right.items() if not named)}
        device = store.run(cell["key"]).record("device").get("device")
        rows.append(row | source | ({"device": device} if device else {}) | wrong)
    return rows


def scores(cell: dict[str, Any]) -> list[str]:
    """Those that a cell has, with what is left where a modality is missing."""
    return [s for s in cell if (s in SCORES or s.startswith("k_without_")) and cell[s] is not None]


def _text(about: dict[str, str], rows: list[dict[str, Any]]) -> str:
    """A line a result: a record is read in diffs."""
    head = json.dumps(about, indent=1).removesuffix("\n}")
    lines = ",\n  ".join(json.dumps(row) for row in rows)
    return f'{head},\n "results": [\n  {lines}\n ]\n}}\n'


if __name__ == "__main__":
    which = tyro.cli(Which, description=__doc__)
    sys.exit(refuse_bad_input(lambda: record(which)))

"""Keep a plan's finished results as a small record under experiments/results/, so that seeds add up over days.

python experiments/record.py --storage DIR --plan modality_comparison
"""

import json
import re
import sys
from pathlib import Path

import tyro

from datasets.whole import read_json, write_whole
from experiments.report import Which
from orchestrator.terminal import console, refuse_bad_input

FOLDER = Path(__file__).parent / "results"
ABOUT = ("plan", "corpus", "scale", "scale_text", "recipe", "protocol", "protocol_text")
SCORES = (
    "top1",
    "k",
    "n",
    "top5",
    "f1",
    "k_seen",
    "n_seen",
    "k_hidden",
    "n_hidden",
    "k_without_imu",
    "k_without_video",
)
WHAT = ("experiment", "model", "variant", "ratio", "hidden", "seed", "protocol", "key")


def record(which: Which) -> int:
    """A result that is in the record already, by its run's key, stays as it was first written."""
    file = which.storage.resolve() / "reports" / which.plan / "results.json"
    if not file.exists():
        raise ValueError(f"{file}: no such file; run experiments/{which.plan}.py on this storage.")
    results = read_json(file)
    name = "-".join(results[part] for part in ("plan", "corpus", "scale", "recipe", "protocol"))
    out = FOLDER / f"{re.sub('[^a-z0-9]+', '-', name.lower().replace('_', '-')).strip('-')}.json"
    kept = read_json(out) if out.exists() else {part: results[part] for part in ABOUT} | {"results": []}
    known = {(row["experiment"], row["key"]) for row in kept["results"]}
    source = {
        "date": results["created"][:10],
        "command": re.sub(r"/\S*/", "", results["command"]),
    }  # no machine's paths
    new = [
        {part: cell.get(part, "") for part in WHAT} | {s: cell[s] for s in SCORES if cell.get(s) is not None} | source
        for cell in results["cells"]
        if cell["status"] == "done" and (cell["experiment"], cell["key"]) not in known
    ]
    kept["results"] += new
    FOLDER.mkdir(exist_ok=True)
    # A line a result: a record is read in diffs.
    rows = ",\n  ".join(json.dumps(row) for row in kept["results"])
    head = json.dumps({part: kept[part] for part in ABOUT}, indent=1).removesuffix("\n}")
    write_whole(out, f'{head},\n "results": [\n  {rows}\n ]\n}}\n')
    console.print(f"{out.name}: {len(new)} new of {len(kept['results'])} results", highlight=False)
    return 0


if __name__ == "__main__":
    which = tyro.cli(Which, description=__doc__)
    sys.exit(refuse_bad_input(lambda: record(which)))

"""What a search found: its settings best first, the best of them tested against the start over the same clips."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Any

from rich.table import Table
from rich.text import Text

from datasets import splits
from datasets.files.atomic import read_json, write_whole
from orchestrator.driver.search_trial import Looks, look_top1, looks
from orchestrator.driver.terminal import console
from orchestrator.plan.spec import RunSpec
from orchestrator.plan.study import Study
from orchestrator.report.paired import Difference, Right, difference
from orchestrator.storage.store import Store

SHOWN = 10


def conclude(folder: Path, judged_by: Looks, study: Study, store: Store, protocol_text: str) -> tuple[Path, int]:
    """settings.json: what each setting gave, the most looked at and best first; and how many settings there are.

    `protocol_text` is as in results.json. The best settings also have their difference from the start.
    """
    records = [read_json(file) for file in folder.glob("*.json") if file.name != "settings.json"]
    records.sort(key=lambda r: (len(r["looks"]), r.get("gain", -100.0)), reverse=True)
    start = looks(study, judged_by)
    best = [record for record in records if record["looks"]][:SHOWN]
    right = cache(lambda key: store.run(key).right())
    gaps = [against(record, start, right) for record in best]
    for record, gap in zip(best, gaps, strict=True):
        record["against_start"] = asdict(gap) if gap else None
    base = [store.run(spec.key).record("metrics") for spec in start]
    found = {
        "modality": judged_by.stage,
        "method": judged_by.method,
        "recipe": study.recipe_name,
        "protocol": splits.describe(study.manifest, study.protocol),
        "protocol_text": protocol_text,
        "baseline": {"top1": 100 * fmean(m["top1"] for m in base), "k": sum(m["k"] for m in base)},
        "settings": records,
    }
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "settings.json"
    write_whole(file, json.dumps(found, indent=1))
    console.print(_table(found, len(base), best, gaps))
    console.print(f"settings: {file}", highlight=False)
    return file, len(records)


def against(record: dict[str, Any], start: Sequence[RunSpec], right: Right) -> Difference | None:
    """Points by which a setting is above the start, over the clips of the folds that the setting was looked at on.

    Of several seeds those that were looked at on as many folds as the first. None where a run's predictions are gone.
    """
    theirs = {(spec.data.protocol, spec.seed): spec.key for spec in start}
    by_seed: dict[int, list[tuple[str, str]]] = {}
    for look in record["looks"]:
        by_seed.setdefault(look["seed"], []).append((look["key"], theirs[look["protocol"], look["seed"]]))
    folds = max(map(len, by_seed.values()))
    whole = {seed: pairs for seed, pairs in by_seed.items() if len(pairs) == folds}
    ours, starts = (
        [{"seed": seed, "status": "done", "keys": [pair[side] for pair in pairs]} for seed, pairs in whole.items()]
        for side in (0, 1)
    )
    return difference(ours, starts, right)


def _table(found: dict[str, Any], looks: int, best: list[dict[str, Any]], gaps: list[Difference | None]) -> Table:
    caption = "per cent"
    if found["settings"]:
        caption += (
            "; against the start: points over the same clips, 95 % interval and p-value; not corrected for being the"
            f" best of {len(found['settings'])}"
        )
    table = Table(title=f"{found['modality']}: {found['protocol_text']}", caption=caption)
    for name in ("top-1", "gain", "looks", "against the start", "setting"):
        table.add_column(name)
    table.add_row(f"{found['baseline']['top1']:.2f}", "", str(looks), "", f"recipe {found['recipe']}")
    for record, gap in zip(best, gaps, strict=True):
        words = ", ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in record["setting"].items())
        scores = (f"{look_top1(record):.2f}", f"{record['gain']:+.2f}", str(len(record["looks"])))
        # A plain string's brackets would be read as markup.
        table.add_row(*map(Text, (*scores, gap.text if gap else "–", words)))
    return table

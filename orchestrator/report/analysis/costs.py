"""What a plan's runs took: each run's time, and what the time of each kind went to."""

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from orchestrator.report import labels
from orchestrator.report.labels import Results
from orchestrator.storage.timings import PARTS


def times(results: Results) -> list[dict[str, Any]]:
    """Mean seconds of a run of each stage on the same modalities, by what they went to; what no worker saw are its
    processes."""
    rows = []
    runs = list(results["runs"].values())
    for kind, read in dict.fromkeys((run["kind"], tuple(run["modalities"])) for run in runs):
        timed = [r for r in runs if (r["kind"], tuple(r["modalities"])) == (kind, read) and r.get("times")]
        if timed:
            parts = {name: fmean(run["times"][name] for run in timed) for name in PARTS}
            whole = fmean(run["seconds"] for run in timed)
            parts = {"processes": whole - sum(parts.values())} | parts | {"all": whole}
            rows.append({"label": stage_label(results, kind, read), "runs": len(timed), "parts": parts})
    return rows


def stage_label(results: Results, stage: str, read: Sequence[str]) -> str:
    """As its row of Table 2, where it is one."""
    a_row = any((cell["model"], cell["modalities"]) == (stage, list(read)) for cell in results["cells"])
    return labels.reading(results["modalities"], list(read)) if a_row else stage


def runs(results: Results) -> list[dict[str, Any]]:
    """Every run, done or not, with the results that stand on it; the reason of one that failed stands in its cells."""
    empty = {
        "name": "",
        "kind": "",
        "parents": {},
        "seconds": None,
        "status": "",
        "reason": None,
        "retried": [],
        "cells": [],
    }
    rows = {key: {**empty, **run, "key": key, "cells": []} for key, run in results["runs"].items()}
    for cell in results["cells"]:
        if cell.get("key"):
            named = {"name": labels.cell_label(results, cell), "kind": cell["model"], "status": cell["status"]}
            row = rows.setdefault(cell["key"], {**empty, **named, "key": cell["key"], "cells": []})
            row["cells"].append(labels.cell_label(results, cell))
            row["reason"] = row["reason"] or cell.get("reason")
    return list(rows.values())


def duration(seconds: float | None) -> str:
    if seconds is None or seconds < 120:
        return "–" if seconds is None else f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"

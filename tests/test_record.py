"""Committed records of results: what is there stays, seeds add up, no machine's path gets in."""

import json
from pathlib import Path

import pytest

from experiments import record
from experiments.report import Which


def results(seeds: int, top1: float) -> dict:
    about = dict.fromkeys(record.ABOUT, "x") | {"plan": "modality_comparison", "corpus": "UTD-MHAD (depth video)"}
    cells = [
        {"experiment": "modalities", "model": "imu", "variant": "", "ratio": 1.0, "hidden": {}, "protocol": "odd-even"}
        | {"seed": seed, "key": f"key{seed}", "status": "done", "top1": top1, "k": 9, "n": 12, "f1": None}
        for seed in range(seeds)
    ]
    cells.append(cells[0] | {"key": "other", "status": "failed", "top1": None})
    command = "python experiments/modality_comparison.py --recordings /home/ada/utd --storage /scratch/x/out"
    return about | {"created": "2026-11-23T02:00:00Z", "command": command, "cells": cells}


def test_records_add_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "FOLDER", tmp_path / "results")
    file = tmp_path / "reports" / "modality_comparison" / "results.json"
    file.parent.mkdir(parents=True)
    for seeds, top1 in ((1, 0.5), (3, 0.75)):
        file.write_text(json.dumps(results(seeds, top1)))
        assert record.record(Which(tmp_path, "modality_comparison")) == 0
    [out] = (tmp_path / "results").iterdir()
    assert out.name == "modality-comparison-utd-mhad-depth-video-x-x-x.json"
    rows = json.loads(out.read_text())["results"]
    assert [(row["seed"], row["top1"]) for row in rows] == [(0, 0.5), (1, 0.75), (2, 0.75)]
    assert rows[0]["date"] == "2026-11-23" and "f1" not in rows[0]
    assert rows[0]["command"].endswith("--recordings utd --storage out") and "ada" not in out.read_text()


def test_nothing_to_record_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such file; run experiments"):
        record.record(Which(tmp_path, "full_grid"))

"""Committed records of results: what is there stays, seeds add up, no machine's path gets in."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from experiments import record
from experiments.report import Which
from orchestrator.storage.run_folder import RunFolder

COMMITTED = sorted(record.FOLDER.glob("*.json"))


def results(seeds: int, top1: float, **about: str) -> dict:
    about = dict.fromkeys((*record.ABOUT, *record.MEANT), "x") | about
    about |= {"plan": "modality_comparison", "corpus": "UTD-MHAD (depth video)"}
    cells = [
        {"experiment": "modalities", "model": "imu", "variant": "", "ratio": 1.0, "hidden": {}, "protocol": "odd-even"}
        | {"method": "two-stage", "modalities": ["imu"], "scale_text": about["scale_text"]}
        | {"seed": seed, "key": f"key{seed}", "status": "done", "top1": top1, "k": 9, "n": 12, "f1": None}
        for seed in range(seeds)
    ]
    cells.append(cells[0] | {"key": "other", "status": "failed", "top1": None})
    command = "python experiments/modality_comparison.py --recordings /home/ada/utd --storage /scratch/x/out"
    return about | {"created": "2026-11-23T02:00:00Z", "command": command, "cells": cells}


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Records these results, and gives the file."""
    monkeypatch.setattr(record, "FOLDER", tmp_path / "results")
    file = tmp_path / "reports" / "modality_comparison" / "results.json"
    file.parent.mkdir(parents=True)

    def write(content: dict) -> Path:
        file.write_text(json.dumps(content))
        assert record.record(Which(tmp_path, "modality_comparison")) == 0
        [out] = (tmp_path / "results").iterdir()
        return out

    return write


def rows_of(file: Path) -> list[dict[str, Any]]:
    return json.loads(file.read_text())["results"]


def test_records_add_up(recorded) -> None:
    for seeds, top1 in ((1, 0.5), (3, 0.75)):
        out = recorded(results(seeds, top1))
    assert out.name == "modality-comparison-utd-mhad-depth-video-x-x-x.json"
    rows = rows_of(out)
    assert [(row["seed"], row["top1"]) for row in rows] == [(0, 0.5), (1, 0.75), (2, 0.75)]
    assert rows[0]["date"] == "2026-11-23" and "f1" not in rows[0]
    assert rows[0]["command"].endswith("--recordings utd --storage out") and "ada" not in out.read_text()


def test_each_result_says_what_its_recipe_was_then(recorded) -> None:
    """A recipe that is changed keeps its name and its record; a result of before doesn't become one of after."""
    recorded(results(1, 0.5, scale_text="epochs: video 32", protocol_text="last epoch; NOT CLEAN"))
    out = recorded(results(2, 0.75, scale_text="epochs: video 48", protocol_text="last epoch, no selection"))
    meant = [tuple(row[name] for name in record.MEANT) for row in rows_of(out)]
    assert meant == [("epochs: video 32", "last epoch; NOT CLEAN"), ("epochs: video 48", "last epoch, no selection")]
    assert not set(record.MEANT) & json.loads(out.read_text()).keys()


def test_a_result_stays_as_it_was_first_written(recorded) -> None:
    recorded(results(1, 0.5, protocol_text="last epoch; NOT CLEAN"))
    [row] = rows_of(recorded(results(1, 0.75, protocol_text="last epoch; chosen by 1, none tested")))
    assert row["protocol_text"] == "last epoch; NOT CLEAN" and row["top1"] == 0.5


def test_what_a_record_says_of_its_keys_goes_on_with_new_rows(recorded) -> None:
    """Of rows that code before made, a word stands in the head; new rows tell themselves apart by their method."""
    out = recorded(results(1, 0.5))
    assert "keys" not in json.loads(out.read_text())
    old = [{name: row[name] for name in row if name not in ("method", "modalities")} for row in rows_of(out)]
    about = {name: value for name, value in json.loads(out.read_text()).items() if name != "results"}
    out.write_text(record._text(about | {"keys": "of rows without a method: older"}, old))
    found = json.loads(recorded(results(2, 0.75)).read_text())
    assert found["keys"] == "of rows without a method: older"
    assert [(row["seed"], row.get("method")) for row in found["results"]] == [(0, None), (1, "two-stage")]


def test_a_run_without_a_score_is_no_result(recorded) -> None:
    """Of a stage without a classifier; what is left of a fusion of three without some of them is kept by name."""
    content = results(1, 0.5)
    content["cells"].append(content["cells"][0] | {"key": "pretraining", "top1": None, "k": None, "n": None})
    left = {"top1_without_imu_video": 0.25, "k_without_imu_video": 3, "n_without_imu_video": 12, "k_without_imu": None}
    content["cells"].append(content["cells"][0] | {"key": "fused", "modalities": ["imu", "skeleton", "video"]} | left)
    [_, fused] = rows_of(recorded(content))
    assert (fused["key"], fused["k_without_imu_video"], fused["modalities"][1]) == ("fused", 3, "skeleton")
    assert "k_without_imu" not in fused


def test_clips_named_wrong_are_kept_and_what_was_set_is_said(recorded, tmp_path: Path) -> None:
    """In the file of the recipe that was changed."""
    folder = RunFolder(tmp_path / "runs" / "key0")
    folder.path.mkdir(parents=True)
    clips = {"clip": ["a1", "a2", "a3"], "label": [0, 1, 2], "predicted": [0, 0, 0]}
    folder.write_predictions(pa.table(clips))
    rows = rows_of(recorded(results(2, 0.75, recipe="x, imu.model.hidden 48")))
    assert [(row["seed"], row["top1"], row.get("wrong"), row.get("set")) for row in rows] == [
        (0, 0.75, ["a2", "a3"], "imu.model.hidden 48"),
        (1, 0.75, None, "imu.model.hidden 48"),
    ]


def test_a_record_that_does_not_say_it_is_refused(recorded) -> None:
    out = recorded(results(1, 0.5))
    out.write_text(out.read_text().replace('"scale_text": "x", ', ""))
    with pytest.raises(ValueError, match=r"\.json: the results of key0 lack scale_text and protocol_text"):
        recorded(results(2, 0.75))


@pytest.mark.parametrize("file", COMMITTED, ids=lambda file: file.stem)
def test_committed_results_say_what_they_are(file: Path) -> None:
    head, rows = json.loads(file.read_text()), rows_of(file)
    about = [name for name in head if name != "results"]
    older = [row for row in rows if "method" not in row]
    assert about == [*record.ABOUT, *["keys"] * bool(older)]
    assert head.get("keys") == ("of rows without a method: as made until 2026-11-25" if older else None)
    assert file.read_text() == record._text({part: head[part] for part in about}, rows)  # as it would be written
    assert len({(row["experiment"], row["key"]) for row in rows}) == len(rows)
    for row in rows:
        assert len(row.get("wrong", [None] * (row["n"] - row["k"]))) == row["n"] - row["k"]
        assert f"({head['protocol']})" in row["protocol_text"] and row["k"] / row["n"] == pytest.approx(row["top1"])


def test_a_run_trained_as_long_in_every_committed_record() -> None:
    found: dict[str, set[str]] = {}
    for row in (row for file in COMMITTED for row in rows_of(file)):
        found.setdefault(row["key"], set()).add(row["scale_text"])
    assert all(len(said) == 1 for said in found.values())
    assert "video 48" in found["7916eb4c013b41bb"].pop()  # 9.5 min a run (experiments/LOG.md)

"""What another terminal is told of a storage."""

import json
from pathlib import Path

import pytest

from experiments import status
from orchestrator.storage.store import Store
from tests.support.runs.made_up import make, pretrain


def test_scores_stand_below_their_protocol(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = make(tmp_path / "runs") | {"protocol_text": "subjects 1, 3 train, 2, 4 test; last epoch; NOT CLEAN: why"}
    store, [key, *_] = Store(tmp_path), results["runs"]
    results["runs"] = {key: results["runs"][key]}
    store.run(key).write_metrics({"top1": 0.75, "k": 9, "n": 12, "f1": 0.5})
    store.run(key).finish(1.0)
    store.report("full_grid").mkdir(parents=True)
    (store.report("full_grid") / "results.json").write_text(json.dumps(results))
    assert status.status(status.Which(tmp_path)) == 0
    said = capsys.readouterr().out
    assert "2, 4 test; last epoch; NOT CLEAN: why; 8 frames of 32x32; recipe paper" in said
    assert said.index("NOT CLEAN") < said.index("top-1 75.00 (9/12)")


def test_a_stage_without_a_classifier_is_done_without_a_score(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results, store = make(tmp_path / "runs"), Store(tmp_path)
    key = pretrain(results, tmp_path / "runs")
    results["runs"] = {key: results["runs"][key]}
    store.run(key).finish(1.0)
    store.report("full_grid").mkdir(parents=True)
    (store.report("full_grid") / "results.json").write_text(json.dumps(results))
    assert status.status(status.Which(tmp_path)) == 0
    assert "done    no classifier, so no score" in capsys.readouterr().out


def test_a_plan_that_the_storage_has_not_is_told_with_those_it_has(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(ValueError, match=r"full_grid/results.json: no such file; full_grid hasn't been .* storage\.$"):
        status.status(status.Which(tmp_path))
    store.report("table2").mkdir(parents=True)
    (store.report("table2") / "results.json").write_text("{}")
    with pytest.raises(ValueError, match=r"The storage has table2: name one with --plan\."):
        status.status(status.Which(tmp_path))

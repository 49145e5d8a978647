"""What a search says at its end, from made-up folds: four of odd-even's training subjects."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from datasets import splits
from orchestrator.driver import recipe_search, search_results
from orchestrator.driver.search_trial import Looks, looks
from orchestrator.plan.study import Study
from orchestrator.storage.store import Store
from tests.support.runs.plans import manifest

JUDGED = Looks("imu")


@pytest.fixture(scope="module")
def study() -> Study:
    return Study(manifest(), "laptop", "tuned", "odd-even-validation")


def scored(store: Store, key: str, study: Study, fold: str, wrong: int) -> dict:
    """A run that names the fold's first `wrong` clips wrong; as a look of a setting's record."""
    clips = study.manifest.clips.take(splits.split(study.manifest, fold)[1])
    label = clips["label"].to_pylist()
    predicted = [y + (i < wrong) for i, y in enumerate(label)]
    folder, right = store.run(key), len(label) - wrong
    folder.path.mkdir(parents=True)
    folder.write_predictions(pa.table({"clip": clips["clip"], "label": label, "predicted": predicted}))
    look = {"top1": right / len(label), "k": right, "n": len(label)}
    folder.write_metrics(look)
    return look | {"key": key, "protocol": fold, "seed": 0}


def test_the_best_settings_are_tested_against_the_start(
    study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, folder = Store(tmp_path), tmp_path / "records"
    folder.mkdir()
    folds = [spec.data.protocol for spec in looks(study, JUDGED)]
    for spec in looks(study, JUDGED):
        scored(store, spec.key, study, spec.data.protocol, wrong=12)
    for name, count, wrong in (("better", 4, 6), ("stopped", 1, 12)):
        told = [scored(store, f"{name}{i}", study, fold, wrong) for i, fold in enumerate(folds[:count])]
        gain = 100 * (12 - wrong) / told[0]["n"]
        record = {"setting": {"imu.model.hidden": 8, "name": name}, "looks": told, "gain": gain}
        (folder / f"{name}.json").write_text(json.dumps(record))
    text = "subjects 1, 3, 5, 7; last epoch; NOT CLEAN: why"
    file, tried = search_results.conclude(folder, JUDGED, study, store, text)
    found = json.loads(file.read_text())
    better, stopped = (record["against_start"] for record in found["settings"])
    assert tried == 2 and found["protocol_text"] == text
    assert better["points"] == pytest.approx(found["settings"][0]["gain"]) and better["low"] > 0 and better["p"] < 1e-6
    assert (stopped["points"], stopped["p"]) == (0, 1), "over the one fold that it was looked at on"
    assert len(better["keys"]) == 8 and len(stopped["keys"]) == 2
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "p < 0.001" in said and "NOT CLEAN" in said and "best of 2" in said


def test_a_setting_whose_predictions_are_gone_has_no_test(study: Study) -> None:
    [spec, *_] = start = looks(study, JUDGED)
    look = {"key": "gone", "protocol": spec.data.protocol, "seed": 0}
    assert search_results.against({"looks": [look]}, start, lambda key: None) is None


def test_a_second_seed_that_was_stopped_is_left_out(study: Study) -> None:
    start = looks(study, Looks("imu", seeds=2))
    told = [{"key": s.key + "!", "protocol": s.data.protocol, "seed": s.seed} for s in start[:6]]
    clips = {s.key + end: {(s.data.protocol,) * 2: end == "!"} for s in start for end in ("", "!")}
    found = search_results.against({"looks": told}, start, clips.get)
    assert found and (found.points, found.seeds, len(found.keys)) == (100, 1, 8)


def test_other_folds_or_seeds_are_another_search(study: Study, tmp_path: Path) -> None:
    """Else a setting that had one look counts as done where four are asked for."""
    ways = [{}, {"looks": 1}, {"looks": 2}, {"seeds": 2}, {"seeds": 2, "looks": 1}, {"modality": "video"}]
    folders = [recipe_search.records_of(recipe_search.SearchOptions(**way), study, Store(tmp_path)) for way in ways]
    assert len(set(folders)) == len(ways)
    assert recipe_search.records_of(recipe_search.SearchOptions(settings=5), study, Store(tmp_path)) == folders[0]

"""Damaged files of a storage: found, said in a sentence, and only the run that was hit is done again."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from datasets.files.atomic import read_json
from orchestrator.plan.plan import Plan
from orchestrator.storage.recovery import recover
from orchestrator.storage.store import Store
from tests.support.runs.spoilt import FUSION, HOW, IMU, PLAN, VIDEO, Damage, cut, emptied, flipped, three_done, zeroed


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return three_done(tmp_path)


def found(store: Store) -> tuple[set[str], list[str]]:
    said: list[str] = []
    return recover(PLAN, store, said.append), said


def test_a_whole_storage_is_left_alone(store: Store) -> None:
    before = {file: file.stat().st_mtime_ns for file in store.root.rglob("*")}
    assert found(store) == (set(PLAN.runs), [])
    assert {file: file.stat().st_mtime_ns for file in store.root.rglob("*")} == before


@pytest.mark.parametrize("damage", [cut, emptied, zeroed, Path.unlink])
@pytest.mark.parametrize("name", ["done.json", "history.jsonl", "predictions.parquet", "model.pt"])
def test_only_the_run_that_was_hit_is_done_again(name: str, damage: Damage, store: Store) -> None:
    damage(store.run(VIDEO.key).path / name)
    done, said = found(store)
    assert done == {IMU.key, FUSION.key}
    if (name, damage) == ("done.json", Path.unlink):
        return
    assert len(said) == 1 and said[0].startswith(f"{VIDEO.name} ({VIDEO.key}) was done and is trained again: ")
    assert str(store.run(VIDEO.key).path / name) in said[0]
    assert found(store) == (done, []), "said once"


def test_a_run_without_a_classifier_needs_no_predictions(store: Store) -> None:
    spec = replace(FUSION, network=replace(FUSION.network, objective="contrastive"))
    shutil.copytree(store.run(FUSION.key).path, store.run(spec.key).path)
    store.run(spec.key).begin(spec)
    for name in ("predictions.parquet", "metrics.json"):
        (store.run(spec.key).path / name).unlink()
    plan, said = Plan("contrastive", (), PLAN.runs | {spec.key: spec}), []
    assert recover(plan, store, said.append) == set(plan.runs) and not said


@pytest.mark.parametrize("damage", [cut, emptied, zeroed, Path.unlink])
def test_metrics_are_computed_again_from_the_predictions(damage: Damage, store: Store) -> None:
    file = store.run(IMU.key).path / "metrics.json"
    before = file.read_text()
    damage(file)
    assert found(store)[0] == set(PLAN.runs)
    assert file.read_text() == before


def test_results_of_another_recipe_or_code_are_never_taken(store: Store) -> None:
    """They have keys of their own; and a folder that was given the wrong name is found out."""
    changed = [replace(IMU, code=IMU.code + 1), replace(IMU, optimization=replace(HOW, lr=2e-3))]
    other = Plan("other", (), {spec.key: spec for spec in changed})
    assert recover(other, store, print) == set()
    video, imu = store.run(VIDEO.key), store.run(IMU.key)
    shutil.rmtree(imu.path)
    shutil.copytree(video.path, imu.path)
    done, said = found(store)
    assert done == {VIDEO.key, FUSION.key} and "holds the spec of another run" in said[0]
    imu.save("checkpoint", {"epoch": 1})
    done, said = found(store)
    assert not (imu.path / "checkpoint.pt").exists() and "holds the spec of another run" in said[0]


@pytest.mark.parametrize("damage", [cut, emptied, zeroed, Path.unlink])
def test_a_spec_is_written_again(damage: Damage, store: Store) -> None:
    damage(store.run(IMU.key).path / "spec.json")
    done, said = found(store)
    assert done == set(PLAN.runs) and "its spec is written again" in said[0]
    assert store.run(IMU.key).spec == IMU


@pytest.mark.parametrize("name", ["predictions.parquet", "model.pt"])
def test_one_changed_bit_is_found(name: str, store: Store) -> None:
    """In weights only where a run will start from them: all of a grid's are gigabytes."""
    flipped(store.run(IMU.key).path / name)
    (store.run(FUSION.key).path / "done.json").unlink()
    done, said = found(store)
    assert done == {VIDEO.key}
    assert len(said) == 1 and name in said[0]


@pytest.mark.parametrize("damage", [cut, emptied, zeroed, flipped])
def test_from_a_damaged_checkpoint_nothing_goes_on(damage: Damage, store: Store) -> None:
    folder = store.run(IMU.key)
    (folder.path / "done.json").unlink()
    folder.save("checkpoint", {"epoch": 2, "model": {"weight": torch.zeros(20_000)}})
    assert found(store) == ({VIDEO.key, FUSION.key}, [])
    damage(folder.path / "checkpoint.pt")
    done, [said] = found(store)
    assert done == {VIDEO.key, FUSION.key}
    assert "was cut off and starts from its first epoch again" in said and "checkpoint.pt" in said
    assert folder.load("checkpoint") is None


def test_a_checkpoint_needs_the_epochs_before_it(store: Store) -> None:
    folder = store.run(IMU.key)
    (folder.path / "done.json").unlink()
    folder.save("checkpoint", {"epoch": 3})
    history = (folder.path / "history.jsonl").read_text()
    (folder.path / "history.jsonl").write_text(history.replace('{"epoch": 2', '{"epo\x00h": 2'))
    assert "lacks epochs" in found(store)[1][0]
    assert folder.load("checkpoint") is None and [row["epoch"] for row in folder.history()] == [1]


@pytest.mark.parametrize("content", ["", "{", "[1]", "null", "[" * 100_000, "\ufeff{}"])
def test_a_json_that_is_none_is_named(content: str, tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(content)
    with pytest.raises(ValueError, match=r"results\.json: is damaged, no JSON can be read from it"):
        read_json(tmp_path / "results.json")

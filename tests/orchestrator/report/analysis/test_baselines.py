"""The most frequent class and the nearest training clip, on real shards of a tiny corpus."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from datasets import splits
from datasets.manifest import Manifest
from orchestrator.report.analysis import baselines
from orchestrator.storage.store import Store
from tests.support.runs.made_up import make, text_of, write
from tests.support.runs.untrained import decode

NAMES = {"imu": "IMU", "video": "Drawn figure"}


@pytest.fixture(scope="module")
def decoded(made: tuple, manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, dict]:
    """A storage with runs, none of them trained, their shards, and results that ask for them."""
    store = Store(shutil.copytree(made[0].root, tmp_path_factory.mktemp("decoded") / "storage"))
    decode(store, manifest, made[1]["fusion paper"])
    cells = []
    for kind, read in (("imu", ["imu"]), ("video", ["video"]), ("fusion", ["imu", "video"])):
        cell = {"experiment": "modalities", "model": kind, "modalities": read, "ratio": 1.0, "seed": 0}
        cell |= {"hidden": {"imu": [], "video": []}, "key": made[1][f"{kind} paper"].key, "status": "done"}
        cells.append(cell | {"protocol": "odd-even"})
    return store, {"modalities": NAMES, "cells": cells}


def test_they_are_what_a_loop_finds(decoded: tuple[Store, dict], manifest: Manifest, tmp_path: Path):
    store, results = decoded
    rows, why = baselines.rows(results, store, tmp_path)
    assert not why and [row["method"] for row in rows] == [baselines.MAJORITY, *[baselines.NEAREST] * 3]
    labels, (train, test) = splits.labels(manifest), splits.split(manifest, "odd-even")
    spec = store.run(results["cells"][2]["key"]).spec
    far = np.zeros((len(test), len(train)))
    for name in ("imu", "video"):
        x = baselines.values_of(store, {}, manifest, spec, name)
        x = (x - x[train].mean((0, 1))) / x[train].std((0, 1))
        far += [[np.square(x[a] - x[b]).mean() for b in train] for a in test]
    right = int((labels[train][far.argmin(axis=1)] == labels[test]).sum())
    [both] = rows[3]["cells"]
    assert (both["k"], both["n"]) == (right, len(test)) and both["top1"] == right / len(test)
    [most] = rows[0]["cells"]
    assert most["top1"] == pytest.approx(1 / 3), "three classes, as many clips of each"
    assert rows[1]["top1"].parts[0][0] == f"{rows[1]['cells'][0]['k']}/{len(test)}"


def test_they_are_computed_once_and_kept(decoded: tuple[Store, dict], tmp_path: Path):
    store, results = decoded
    rows, _ = baselines.rows(results, store, tmp_path)
    bare = Store(tmp_path / "bare")
    again, why = baselines.rows(results, bare, tmp_path)
    assert again == rows and not why
    results = results | {"cells": [cell | {"key": "another"} for cell in results["cells"]]}
    none, why = baselines.rows(results, bare, tmp_path)
    assert none == [] and why == "run another has not begun"


def test_without_shards_or_with_too_many_the_reason_is_given(
    decoded: tuple[Store, dict], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    store, results = decoded
    monkeypatch.setattr(baselines, "MOST_BYTES", 10)
    assert "more than" in baselines.rows(results, store, tmp_path / "none")[1]
    copy = Store(shutil.copytree(store.root, tmp_path / "storage"))
    shutil.rmtree(copy.root / "shards" / "imu")
    monkeypatch.undo()
    (tmp_path / "some").mkdir()
    rows, why = baselines.rows(results, copy, tmp_path / "some")
    assert why == "the storage has no shards of imu" and [row["label"] for row in rows] == ["", "Drawn figure only"]


def test_a_clip_that_lacks_a_modality_is_at_its_mean():
    value = np.random.default_rng(0).normal(5, 2, (6, 10, 3)).astype(np.float32)
    value[4] = np.nan
    found = baselines._standardised(value, np.arange(4))
    assert not found[4].any() and np.square(found[:4]).sum(axis=1).mean() == pytest.approx(1)


def test_the_page_sets_them_apart(no_plots: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    results = make(tmp_path / "runs")
    assert "Baselines missing: run imu-10-0-0-0 has not begun." in text_of(write(results, tmp_path))
    fold = {"top1": 0.25, "f1": 0.1, "k": 3, "n": 12, "views": 1.0}
    row = [baselines._row("", baselines.MAJORITY, [fold]), baselines._row("IMU only", baselines.NEAREST, [fold])]
    monkeypatch.setattr(baselines, "rows", lambda *_: (row, ""))
    text = text_of(write(results, tmp_path))
    assert "Nearest training clip, IMU only baseline, not trained 25.00 3/12 8.89 to 53.23 – 10.00" in text
    assert "Without training, the nearest training clip gives 25.00 % (IMU only)" in text

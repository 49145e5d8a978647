"""Predicting from poses of one's own with a run on MMAct: a .json file, or a request's rows of 34 numbers."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from datasets import corpora, modalities, stream
from datasets.decoding import Recordings
from datasets.manifest import Manifest
from datasets.signals.mmact_sensors import SENSORS
from orchestrator.plan.study import Study
from orchestrator.serving.predictor import Predictor, predict, predict_files, predict_folder
from orchestrator.storage.store import Store
from orchestrator.worker.transforms import see
from tests.support.recordings.mmact_files import write_instances
from tests.support.recordings.poses import put, put_beside, walking
from tests.support.runs.untrained import keep

READ = ("imu", "skeleton")


@pytest.fixture(scope="module")
def run(film: bytes, tmp_path_factory: pytest.TempPathFactory) -> tuple[Predictor, Manifest]:
    """A fusion that isn't trained, of signals and poses."""
    folder = tmp_path_factory.mktemp("posed")
    write_instances(folder, film, [(1, 1, 1, "walking"), (1, 1, 1, "running"), (17, 1, 1, "walking")])
    put_beside(folder)
    manifest = corpora.read("mmact", folder, tmp_path_factory.mktemp("scans"), READ)
    study, store = Study(manifest, "demo", "paper", "cross-subject"), Store(tmp_path_factory.mktemp("storage"))
    spec = study.runs[study.cell("modalities", READ, 0).key]
    manifest.write(store.manifest(manifest.digest))
    keep(store, spec, manifest)
    return Predictor.of(store, spec.key), manifest


def expected(predictor: Predictor, manifest: Manifest) -> np.ndarray:
    """Of the corpus's first clip."""
    batch = {}
    for name, given in predictor.spec.data.inputs.items():
        clip = Recordings.of(manifest, name, given).table([0])
        batch |= stream.tensors(clip, {name: modalities.of(name).shape(given)})
    with torch.no_grad():
        return predictor.model.logits(see(batch, predictor.spec, vary=False)).softmax(1)[0].numpy()


def test_a_pose_beside_a_folder_of_sensors_gives_what_the_corpus_gives(run: tuple, tmp_path: Path) -> None:
    predictor, manifest = run
    clip = manifest.clips.to_pylist()[0]
    (tmp_path / "mine").mkdir()
    shutil.copy(manifest.root / clip["skeleton"], tmp_path / "mine.json")
    for sensor, file in zip(SENSORS, clip["imu"].split("|"), strict=True):
        shutil.copy(manifest.root / file, tmp_path / "mine" / f"{sensor}.csv")
    table = predict_folder(predictor, tmp_path)
    assert table["clip"].to_pylist() == ["mine"] and table["error"].null_count == 1
    np.testing.assert_allclose(table["probabilities"][0].as_py(), expected(predictor, manifest), atol=1e-6)
    without = predict_files(predictor, {"imu": tmp_path / "mine"})
    assert np.isfinite(without).all() and np.abs(without - expected(predictor, manifest)).max() > 1e-5


def test_rows_of_34_numbers_are_the_file_s(run: tuple, tmp_path: Path) -> None:
    predictor, _ = run
    person = walking(0, 5)
    person[4, 9] = 0
    person[7] = np.nan
    notes: list[str] = []
    of_file = predict_files(predictor, {"skeleton": put(tmp_path / "mine.json", person)}, notes.append)
    rows = [[None if np.isnan(v) else v for v in sample.ravel()] for sample in person[..., :2]]
    rows[4][18:20] = [None, None]
    told: list[str] = []
    np.testing.assert_allclose(predict(predictor, {"skeleton": rows}, told.append), of_file, atol=1e-6)
    assert notes == told and "(1 of 30)" in notes[0] and "without that person" in notes[0]
    with pytest.raises(ValueError, match=r"skeleton has samples of \[51\] numbers, not 34"):
        predict(predictor, {"skeleton": person.reshape(30, 51).tolist()})
    rows[3][0] = None
    with pytest.raises(ValueError, match="skeleton has 1 values that are NaN or infinite"):
        predict(predictor, {"skeleton": rows})
    example = modalities.of("skeleton").example(predictor.source("skeleton"))
    assert {len(row) for row in example} == {34} and np.isfinite(predict(predictor, {"skeleton": example})).all()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("mine.json", "[[", "mine.json: is cut off: copy or download it again"),
        ("mine.json", json.dumps([[]] * 20), "mine.json: shows nobody in any sample"),
        ("mine_skeleton.csv", "x", "mine_skeleton.csv: is no pose file of MMAct's form, which ends in .json"),
    ],
    ids=["cut off", "nobody", "no pose"],
)
def test_a_bad_file_is_named(name: str, content: str, reason: str, run: tuple, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=r"^\S+/mine") as raised:
        predict_files(run[0], {"skeleton": tmp_path / name})
    assert str(raised.value).endswith(reason)

"""Predicting recordings of one's own: the same numbers as a run's own test, and a modality missing."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from datasets import shards, stream
from datasets.manifest import Manifest
from datasets.signals import inertial
from datasets.spec import Sampling
from models.spec import FusionModel
from orchestrator.plan.spec import DataSpec, Optimization, RunSpec
from orchestrator.serving.predictor import Predictor, load, predict_files, predict_folder
from orchestrator.storage.store import Store
from orchestrator.worker.reader import see
from tests.support.untrained import KINDS


def sampling(spec: RunSpec, manifest: Manifest) -> Sampling:
    d = spec.data
    return Sampling(d.stored_frames or d.frames or 8, d.stored_size or d.size or 32, manifest.max_samples, d.crop)


@pytest.fixture(scope="module")
def stored(made: tuple, manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """The corpus as training reads it, by recipe: from shards."""
    batches = {}
    for recipe in ("paper", "tuned"):
        s, folder = sampling(made[1][f"fusion {recipe}"], manifest), tmp_path_factory.mktemp("shards")
        tables = []
        recordings = shards.Recordings.of(manifest, s)
        for shard, (start, stop) in enumerate(pairwise(recordings.bounds())):
            written = shards._write_shard({"shard": shard, "start": start, "stop": stop}, recordings, folder)
            tables.append(pq.read_table(folder / written["file"]))
        whole = pa.concat_tables(tables)
        batches[recipe] = stream.tensors(whole.select(stream.COLUMNS["fusion"]), s)
    return batches


@pytest.mark.parametrize("recipe", ["paper", "tuned"])
@pytest.mark.parametrize("kind", KINDS)
def test_files_give_what_their_shards_give(
    kind: str, recipe: str, made: tuple, stored: dict, manifest: Manifest
) -> None:
    store, specs = made
    predictor = Predictor.of(store, specs[f"{kind} {recipe}"].key)
    with torch.no_grad():
        # Clip by clip: of a larger batch S3D's last bits differ.
        clips = [{name: values[i : i + 1] for name, values in stored[recipe].items()} for i in range(12)]
        parts = [predictor.model(see(clip, predictor.spec.data, None)).softmax(1) for clip in clips]
        expected = torch.cat(parts).numpy()
    found = predict_folder(predictor, manifest.root)
    assert found["clip"].to_pylist() == manifest.clips["clip"].to_pylist() and found["error"].null_count == 12
    rows = np.array(found["probabilities"].to_pylist())
    np.testing.assert_allclose(rows, expected, atol=1e-6)
    assert rows.shape == (12, 27) and len(np.unique(rows, axis=0)) == 12  # the recordings reach the network
    assert found["predicted"].to_pylist() == [predictor.classes[i] for i in rows.argmax(axis=1)]


def test_a_csv_in_any_order_of_columns_gives_what_the_mat_gives(made: tuple, files: dict, csv: Path) -> None:
    store, specs = made
    predictor = Predictor.of(store, specs["fusion paper"].key)
    expected = predict_files(predictor, files["video"], files["imu"])
    np.testing.assert_array_equal(predict_files(predictor, files["video"], csv), expected)


@pytest.mark.parametrize("recipe", ["paper", "tuned"])
def test_a_missing_modality_is_all_padding(recipe: str, made: tuple, files: dict, manifest: Manifest) -> None:
    store, specs = made
    predictor = Predictor.of(store, specs[f"fusion {recipe}"].key)
    model, data = predictor.model, predictor.spec.data
    both, no_video, no_imu = (
        predict_files(predictor, *pair)
        for pair in [(files["video"], files["imu"]), (None, files["imu"]), (files["video"], None)]
    )
    assert np.abs(both - no_video).max() > 1e-4 and np.abs(both - no_imu).max() > 1e-4
    # What train.predict calls without_video: the blank trunk beside the clip's signal.
    s = sampling(predictor.spec, manifest)
    signal, length = inertial.pad_signal(inertial.read_mat(files["imu"]), s.samples)
    batch = {"imu": torch.from_numpy(signal)[None], "imu_length": torch.tensor([length])}
    batch = see(batch, data, None) | model.blank(data.frames, data.size)  # pyright: ignore
    with torch.no_grad():
        np.testing.assert_allclose(no_video, model(batch).softmax(1)[0].numpy(), atol=1e-6)


def test_a_run_whose_code_computes_something_else_by_now_is_refused(tmp_path: Path) -> None:
    """Attention attended to padding once: its weights were trained for that."""
    data = DataSpec("5f0c", samples=60, frames=8, size=32)
    spec = RunSpec(FusionModel(by="attention"), data, Optimization(1e-3, 0, 8, 3), seed=0, code=1)
    folder = Store(tmp_path).run(spec.key)
    folder.begin(spec)
    with pytest.raises(ValueError, match=rf"{spec.key}: was trained by code that has changed .* train it again"):
        load(Store(tmp_path), folder, 3)


def test_a_signal_longer_than_any_of_the_corpus_is_taken_whole(made: tuple) -> None:
    store, specs = made
    predictor = Predictor.of(store, specs["imu paper"].key)
    signal = np.random.default_rng(0).normal(0, 40, (3 * predictor.spec.data.samples, 6)).astype(np.float32)
    whole, first = (predictor.probabilities(signal=part) for part in (signal, signal[:200]))
    assert np.abs(whole - first).max() > 1e-6

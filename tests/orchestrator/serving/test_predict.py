"""Predicting recordings of one's own: the same numbers as a run's own test, and a modality missing."""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from datasets import modalities, sharding, shards, stream
from datasets.decoding import Recordings
from datasets.manifest import Manifest
from orchestrator.serving.predictor import Predictor, load, predict, predict_files, predict_folder
from orchestrator.storage.store import Store
from orchestrator.worker.transforms import see
from tests.support import pages
from tests.support.runs import specs as made_up
from tests.support.runs.untrained import CLIP, KINDS


@pytest.fixture(scope="module")
def stored(made: tuple, manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """The corpus as training reads it, by recipe: from shards."""
    batches = {}
    for recipe in ("paper", "tuned"):
        batches[recipe] = {}
        for name, given in made[1][f"fusion {recipe}"].data.inputs.items():
            folder, files, clips = tmp_path_factory.mktemp("shards"), [], []
            recordings = Recordings.of(manifest, name, given)
            for shard, (start, stop) in enumerate(pairwise(recordings.bounds())):
                task = {"file": shards.part_name(shard), "start": start, "stop": stop}
                files.append(sharding._write_shard(task, recordings, folder)["file"])
                clips.append(stop - start)
            written = shards.Shards(folder, name, {}, tuple(files), tuple(clips))
            shapes = {name: modalities.of(name).shape(given)}
            batches[recipe] |= stream.tensors(written.table(range(sum(clips))), shapes)
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
        parts = [predictor.model.logits(see(clip, predictor.spec, vary=False)).softmax(1) for clip in clips]
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
    expected = predict_files(predictor, files)
    np.testing.assert_array_equal(predict_files(predictor, files | {"imu": csv}), expected)


def test_a_video_is_told_by_its_content(made: tuple, files: dict, tmp_path: Path) -> None:
    store, specs = made
    predictor = Predictor.of(store, specs["video paper"].key)
    renamed = tmp_path / "clip.bin"
    renamed.write_bytes(files["video"].read_bytes())
    expected = predict_files(predictor, {"video": files["video"]})
    np.testing.assert_array_equal(predict_files(predictor, {"video": renamed}), expected)


@pytest.mark.parametrize("recipe", ["paper", "tuned"])
def test_a_missing_modality_is_all_padding(
    recipe: str, made: tuple, stored: dict, files: dict, manifest: Manifest
) -> None:
    store, specs = made
    predictor = Predictor.of(store, specs[f"fusion {recipe}"].key)
    both = predict_files(predictor, files)
    at = manifest.clips["clip"].to_pylist().index(CLIP)
    clip = see({name: values[at : at + 1] for name, values in stored[recipe].items()}, predictor.spec, vary=False)
    for missing, other in (("video", "imu"), ("imu", "video")):
        found = predict_files(predictor, {other: files[other]})
        assert np.abs(both - found).max() > 1e-4
        # What train.predict calls without_video: the blank trunk beside the clip's signal.
        batch = clip | predictor.model.blank(clip[missing], missing)
        with torch.no_grad():
            np.testing.assert_allclose(found, predictor.model.logits(batch).softmax(1)[0].numpy(), atol=1e-6)


def test_a_run_whose_code_computes_something_else_by_now_is_refused(tmp_path: Path) -> None:
    """Its weights were trained for what the code was then."""
    spec = made_up.run("imu", "video", network=made_up.network("imu", "video", join="attention"), code=0)
    folder = Store(tmp_path).run(spec.key)
    folder.begin(spec)
    with pytest.raises(ValueError, match=rf"{spec.key}: was trained by code that has changed .* train it again"):
        load(Store(tmp_path), folder, 3)


def test_a_signal_longer_than_any_of_the_corpus_is_taken_whole(made: tuple) -> None:
    store, specs = made
    predictor = Predictor.of(store, specs["imu paper"].key)
    longest = predictor.spec.data.inputs["imu"].samples
    signal = np.random.default_rng(0).normal(0, 40, (3 * longest, 6)).astype(np.float32)
    whole, first = (predict(predictor, {"imu": part.tolist()}) for part in (signal, signal[:200]))
    assert np.abs(whole - first).max() > 1e-6


def test_the_readmes_example_names_what_predict_names(made: tuple, csv: Path) -> None:
    store, specs = made
    [(_, example)] = [found for found in pages.FENCED.findall(pages.text("README.md")) if found[0] == "python"]
    assert len(example.splitlines()) <= 8
    key = specs["imu paper"].key
    for word, meant in (("DIR", store.root), ("KEY", key), ("signal.csv", csv)):
        assert example.count(f'"{word}"') == 1
        example = example.replace(f'"{word}"', repr(str(meant)))
    said = subprocess.run([sys.executable, "-c", example], cwd=pages.ROOT, capture_output=True, text=True)
    predictor = Predictor.of(store, key)
    expected = predictor.classes[predict_files(predictor, {"imu": csv}).argmax()]
    assert said.stdout.strip() == expected, said.stderr

"""The real recordings, where they are: facts about UTD-MHAD that its reader must reproduce."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from datasets import corpora, decode, inertial, splits
from datasets.manifest import Manifest
from orchestrator.options import Options
from orchestrator.prepare import make_plan
from orchestrator.study import Study

RECORDINGS = Path(__file__).parent.parent.parent / "shared" / "recordings"


@pytest.fixture(scope="module")
def folder() -> Path:
    if not RECORDINGS.exists():
        pytest.skip("no recordings beside the repository")
    found = RECORDINGS / "utd-mhad-depth"
    assert any(found.glob("RGB/*.avi")), f"{RECORDINGS} is there but empty"
    return found


@pytest.fixture(scope="module")
def manifest(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return corpora.read("utd-mhad", folder, tmp_path_factory.mktemp("scans"))


def test_861_trials_and_the_three_that_are_missing(manifest: Manifest):
    clips = set(manifest.clips["clip"].to_pylist())
    everything = {f"a{a}_s{s}_t{t}" for a in range(1, 28) for s in range(1, 9) for t in range(1, 5)}
    assert everything - clips == {"a8_s1_t4", "a23_s6_t4", "a27_s8_t4"}
    assert len(clips) == manifest.clips.num_rows == 861
    assert Counter(manifest.clips["subject"].to_pylist()) == {s: 107 if s in (1, 6, 8) else 108 for s in range(1, 9)}
    assert manifest.video == "depth"
    assert not manifest.bad


def test_odd_even_is_431_and_430_with_every_class_on_both_sides(manifest: Manifest):
    train, test = splits.split(manifest, "odd-even")
    assert (len(train), len(test)) == (431, 430)
    labels = splits.labels(manifest)
    assert len(np.unique(labels[train])) == len(np.unique(labels[test])) == 27


def test_signals(manifest: Manifest, folder: Path):
    samples = manifest.clips["samples"].to_numpy()
    assert (samples.min(), np.median(samples), samples.max()) == (107, 177, 326)
    first = inertial.read_mat(folder / "Inertial/a1_s1_t1_inertial.mat")
    assert first.shape == (160, 6)
    assert first[0] == pytest.approx([-0.959473, -0.177734, -0.192871, 5.221374, 1.526718, 0.152672], abs=1e-5)


def test_videos(manifest: Manifest, folder: Path):
    row = manifest.clips["clip"].to_pylist().index("a1_s1_t1")
    total = manifest.clips["frames"][row].as_py()
    frames, count = decode.decode_video(folder / "RGB/a1_s1_t1_color.avi", 16, total, 64)
    assert count == 16
    assert frames.shape == (16, 64, 64, 3)
    # Depth drawn in grey: the three channels agree up to the codec's colour rounding, and something is there.
    assert np.abs(frames.astype(int) - frames.mean(axis=-1, keepdims=True)).max() < 3
    assert frames.max() > 60


def test_the_grid_on_them_is_27_cells_behind_24_runs(manifest: Manifest):
    from experiments import full_grid

    study = Study(manifest, "laptop", "paper")
    plan = make_plan("full_grid", full_grid.cells, study, Options())
    assert (len(plan.cells), len(plan.runs)) == (27, 24)
    assert plan.stages_without_sharing() == 44

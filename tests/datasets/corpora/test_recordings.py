"""The real recordings, where they are: facts about UTD-MHAD that its reader must reproduce."""

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from datasets import corpora, splits
from datasets.manifest import Manifest
from datasets.signals import inertial, units
from datasets.videos import decode
from orchestrator.driver.prepare import make_plan
from orchestrator.plan.options import Options
from orchestrator.plan.study import Study

RECORDINGS = Path(__file__).parents[4] / "shared" / "recordings"


@pytest.fixture(scope="module")
def folder() -> Path:
    if not RECORDINGS.exists():
        pytest.skip("no recordings beside the repository")
    found = RECORDINGS / "utd-mhad-depth"
    assert any(found.glob("RGB/*.avi")), f"{RECORDINGS} is there but empty"
    return found


@pytest.fixture(scope="module")
def manifest(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return corpora.read("utd-mhad", folder, tmp_path_factory.mktemp("scans"), ("imu", "video"))


def test_861_trials_and_the_three_that_are_missing(manifest: Manifest):
    clips = set(manifest.clips["clip"].to_pylist())
    everything = {f"a{a}_s{s}_t{t}" for a in range(1, 28) for s in range(1, 9) for t in range(1, 5)}
    assert everything - clips == {"a8_s1_t4", "a23_s6_t4", "a27_s8_t4"}
    assert len(clips) == manifest.clips.num_rows == 861
    assert Counter(manifest.clips["subject"].to_pylist()) == {s: 107 if s in (1, 6, 8) else 108 for s in range(1, 9)}
    assert manifest.shows == {"video": "depth"}
    assert not manifest.bad


def test_odd_even_is_431_and_430_with_every_class_on_both_sides(manifest: Manifest):
    train, test = splits.split(manifest, "odd-even")
    assert (len(train), len(test)) == (431, 430)
    labels = splits.labels(manifest)
    assert len(np.unique(labels[train])) == len(np.unique(labels[test])) == 27


def test_signals(manifest: Manifest, folder: Path):
    samples = manifest.clips["imu_count"].to_numpy()
    assert (samples.min(), np.median(samples), samples.max()) == (107, 177, 326)
    first = inertial.read_mat(folder / "Inertial/a1_s1_t1_inertial.mat")
    assert first.shape == (160, 6)
    assert first[0] == pytest.approx([-0.959473, -0.177734, -0.192871, 5.221374, 1.526718, 0.152672], abs=1e-5)


def test_videos(manifest: Manifest, folder: Path):
    row = manifest.clips["clip"].to_pylist().index("a1_s1_t1")
    total = manifest.clips["video_count"][row].as_py()
    frames, count = decode.decode_video(folder / "RGB/a1_s1_t1_color.avi", 16, total, 64)
    assert count == 16
    assert frames.shape == (16, 64, 64, 3)
    # Depth drawn in grey: the three channels agree up to the codec's colour rounding, and something is there.
    assert np.abs(frames.astype(int) - frames.mean(axis=-1, keepdims=True)).max() < 3
    assert frames.max() > 60


# Of every eighth clip and of all, by name, as they were before time stamps and display matrices were read.
FRAMES = {
    (8, 32, "frame"): ("c16970229fc90697", "d9489cb0d555a8d3"),
    (16, 64, "frame"): ("eb8de6904472dfa6", "61de2e3b0e87c41f"),
    (20, 72, "motion"): ("12aa31802ed65045", "9f0b2b8dc92ca4cb"),
}


def check_frames(sampling: tuple[int, int, str], manifest: Manifest, every: int, digest: str) -> None:
    frames, size, crop = sampling
    together = hashlib.sha256()
    totals = dict(zip(manifest.clips["video"].to_pylist(), manifest.clips["video_count"].to_pylist(), strict=True))
    for name in sorted(totals)[::every]:
        shown, _ = decode.decode_video(manifest.root / name, frames, totals[name], size, crop)
        together.update(hashlib.sha256(shown.tobytes()).hexdigest()[:16].encode())
    assert together.hexdigest()[:16] == digest


@pytest.mark.parametrize("sampling", FRAMES)
def test_clips_have_the_frames_they_always_had(sampling: tuple[int, int, str], manifest: Manifest) -> None:
    check_frames(sampling, manifest, 8, FRAMES[sampling][0])


@pytest.mark.long
@pytest.mark.parametrize("sampling", FRAMES)
def test_all_clips_have_the_frames_they_always_had(sampling: tuple[int, int, str], manifest: Manifest) -> None:
    check_frames(sampling, manifest, 1, FRAMES[sampling][1])


def test_nothing_of_them_is_noted(manifest: Manifest, folder: Path) -> None:
    """Not of the corpus, and not of any of its clips by itself."""
    assert manifest.notes == ()
    for name in manifest.clips["imu"].to_pylist():
        assert units.warning([units.levels(inertial.read_mat(folder / name))], inertial.UNITS) is None, name


def test_the_grid_on_them_is_27_cells_behind_24_runs(manifest: Manifest):
    from experiments import full_grid

    study = Study(manifest, "laptop", "paper")
    plan = make_plan("full_grid", full_grid.cells, study, Options())
    assert (len(plan.cells), len(plan.runs)) == (27, 24)
    assert plan.stages_without_sharing() == 44

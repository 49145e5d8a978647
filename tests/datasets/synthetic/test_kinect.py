"""The synthetic corpus's skeletons and depth: where the figure's joints are, in the Kinect's axes and files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import loadmat

from datasets import corpora
from datasets.corpora.utd_mhad import CLASSES
from datasets.skeletons.joints import KINECT
from datasets.synthetic import kinect
from datasets.synthetic import utd_mhad as synthetic
from datasets.synthetic.figure import Figure

HEAD, SHOULDER_L, SHOULDER_R, HAND_R, FOOT_R = KINECT.places(
    ("head", "left_shoulder", "right_shoulder", "right_hand", "right_foot")
)
TWO: dict[str, Any] = {"subjects": 1, "trials": 1, "actions": 2, "modalities": ("skeleton", "depth")}


def clip(name: str, subject: int = 1) -> tuple[Figure, np.ndarray]:
    action = CLASSES.index(name) + 1
    moving = synthetic.figure(0, action, subject, 1)
    return moving, kinect.moments(moving, np.random.default_rng(action))


def tracked(name: str) -> np.ndarray:
    return kinect.skeleton(*clip(name), np.random.default_rng(0))


def test_moments_are_at_about_19_hz_and_not_even() -> None:
    rates, steps = [], set()
    for name in CLASSES:
        moving, at = clip(name)
        rates.append(len(at) / (len(moving.sensor) / 200))
        steps |= set(np.round(np.diff(at) / 200 * 30).tolist())
        assert 35 <= len(at) <= 125 and at[-1] < len(moving.sensor)
    assert np.median(rates) == pytest.approx(19, abs=0.7) and 15 < min(rates) < max(rates) < 23
    assert steps == {1, 2, 3}  # frames of 30 Hz


def test_the_subjects_right_is_at_the_larger_x() -> None:
    resting = tracked("swipe_left")[:, :, 0]
    assert resting[SHOULDER_R, 0] > resting[SHOULDER_L, 0] + 0.2
    assert resting[HEAD, 1] > 0.4 and resting[FOOT_R, 1] < -0.8
    assert 2 < resting[:, 2].min() < resting[:, 2].max() < 3.5


def test_swipe_left_moves_the_right_hand_from_the_right_to_the_left() -> None:
    hand, other = (tracked(name)[HAND_R, 0] for name in ("swipe_left", "swipe_right"))
    assert hand.argmax() < hand.argmin() and other.argmin() < other.argmax()
    assert np.ptp(hand) > 0.5 < np.ptp(other)


def test_a_push_comes_nearer() -> None:
    hand = tracked("push")[HAND_R, 2]
    assert hand[0] - hand.min() > 0.3


def test_joints_are_the_figures_and_jitter() -> None:
    moving, at = clip("wave")
    found = kinect.skeleton(moving, at, np.random.default_rng(0))
    for index, name in enumerate(kinect.JOINTS):
        if name in moving.joints:
            ours = (moving.joints[name][at] * [-1, 1, -1] + [0, -1.0, 2.9]).T
            error = np.linalg.norm(found[index] - ours, axis=0)
            assert 0.002 < np.median(error) < 0.03, name
    arm = np.linalg.norm(np.subtract(*found[[kinect.JOINTS.index(n) for n in ("shoulder_L", "elbow_L")]]), axis=0)
    assert np.median(arm) == pytest.approx(0.18 * moving.style.arm, abs=0.01) and arm.std() > 0.001
    thigh = np.linalg.norm(np.subtract(*found[[kinect.JOINTS.index(n) for n in ("hip_L", "knee_L")]]), axis=0)
    assert np.median(thigh) == pytest.approx(0.245 * moving.style.leg, abs=0.01)


@pytest.mark.parametrize("name", ["swipe_left", "clap", "lunge"])
def test_depth_is_that_of_the_joints_less_the_bodys_thickness(name: str) -> None:
    """What covers a joint is nearer; nothing is behind one, but for a disparity's step and noise."""
    moving, at = clip(name, subject=3)
    at = at[::10]
    frames, joints = kinect.depth(moving, at, np.random.default_rng(0)), kinect.positions(moving, at)
    behind, missed = [], 0
    for place in joints.values():
        columns, rows = np.floor(kinect.project(place)).astype(int).T
        inside = (rows >= 0) & (rows < 240) & (columns >= 0) & (columns < 320)
        found = frames[rows[inside], columns[inside], np.flatnonzero(inside)].astype(float)
        missed += (found == 0).sum()
        behind.extend((1000 * place[inside, 2] - found)[found > 0])
    assert missed <= 0.05 * len(behind)
    assert np.percentile(behind, 1) > -30 and 40 < np.median(behind) < 140
    assert np.mean(np.array(behind) < 200) > 0.8


def test_the_background_is_0_and_values_are_the_kinects() -> None:
    moving, at = clip("wave")
    frames = kinect.depth(moving, at[:4], np.random.default_rng(0))
    assert frames.dtype == np.uint16 and frames.shape == (240, 320, 4)
    assert 0.05 < (frames > 0).mean() < 0.12
    values = np.unique(frames[frames > 0]).astype(float)
    assert np.diff(1 / values) == pytest.approx(-kinect.DISPARITY, rel=0.1), "steps of a disparity"
    assert 1800 < values.min() < values.max() < 3500


def test_files_are_utd_mhads(tmp_path: Path) -> None:
    folder = synthetic.write(tmp_path / "corpus", **TWO)
    names = {f"{sub}/a{action}_s1_t1_{end}" for action in (1, 2) for sub, end in list(synthetic.FOLDERS.values())[2:]}
    assert {str(path.relative_to(folder)) for path in folder.rglob("*.*")} == names | {"corpus.json"}
    for stem in ("a1_s1_t1", "a2_s1_t1"):
        joints = loadmat(str(folder / "Skeleton" / f"{stem}_skeleton.mat"))["d_skel"]
        frames = loadmat(str(folder / "Depth" / f"{stem}_depth.mat"))["d_depth"]
        assert (joints.dtype, joints.shape[:2]) == (np.float64, (20, 3))
        assert (frames.dtype, frames.shape[:2]) == (np.uint16, (240, 320))
        assert joints.shape[2] == frames.shape[2]
        assert (folder / "Depth" / f"{stem}_depth.mat").stat().st_size < frames.nbytes / 20
    manifest = corpora.read("synthetic", folder, tmp_path / "scans", ("skeleton",))
    assert manifest.clips.num_rows == 2 and not manifest.bad and not manifest.notes

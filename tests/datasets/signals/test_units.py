"""What can't be in the unit or at the rate that a corpus states is told, once a corpus, and nothing else is."""

import re

import numpy as np
import pytest
from scipy.io import loadmat

from datasets.corpora import mmact
from datasets.manifest import Manifest
from datasets.signals import inertial, units

MMACT = mmact.UNITS


GRAVITY = np.array([0.2, 0.9, 0.1, 0, 0, 0])


def moving(seconds: float = 4.0, seed: int = 0) -> np.ndarray:
    """(S, 6) of a wrist, in g and deg/s."""
    draw = np.random.default_rng(seed)
    t = np.arange(int(50 * seconds))[:, None] / 50
    swing = 0.4 * np.sin(2 * np.pi * 1.2 * t + draw.uniform(0, 6, 3)) + draw.normal(0, 0.02, (len(t), 3))
    return np.hstack([swing + GRAVITY[:3], 150 * np.sin(2 * np.pi * 0.9 * t + draw.uniform(0, 6, 3))])


def told(signal: np.ndarray, stated: tuple[str | None, ...] = inertial.UNITS) -> str | None:
    return units.warning([units.levels(signal)], stated)


AXES = np.array([1.0, 1, 1, 0, 0, 0])
RATE = np.array([0.0, 0, 0, 1, 1, 1])
WRONG = {
    "m/s^2": (
        moving() * (9.80665 * AXES + RATE),
        r"norm of the acceleration is .*likely in m/s\^2; multiply it by 0\.101972",
    ),
    "milli-g": (moving() * (1000 * AXES + RATE), r"likely in milli-g; multiply it by 0\.001"),
    "no gravity": (moving() - GRAVITY, "gravity is likely left out"),
    "no gravity, shaken": ((moving() - GRAVITY) * (1.8 * AXES + RATE), "gravity is likely left out"),
    "counts": (moving() * (8192 * AXES + 16 * RATE), "likely the sensor's raw counts"),
    "rad/s": (
        moving() * (AXES + RATE / 57.29578),
        r"angular rate stays below .*likely in rad/s; multiply it by 57\.2958",
    ),
    "no gyroscope": (moving() * AXES, "the angular rate keeps one value most of the time"),
    "a stuck sensor": (
        np.repeat(moving()[:1], 200, axis=0),
        "the acceleration keeps one value .*the angular rate keeps",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_another_unit_is_told_with_the_likely_one(what: str) -> None:
    signal, words = WRONG[what]
    said = told(signal)
    assert said is not None and re.search(words, said), said


def test_the_meant_unit_is_not_remarked() -> None:
    for seed in range(20):
        assert told(moving(seed=seed)) is None
    still = np.tile(GRAVITY, (200, 1)) + np.random.default_rng(0).normal(0, 0.003, (200, 6))
    assert told(still) is None, "a sensor at rest"
    assert told(moving()[:1]) is None, "one sample"


def test_a_corpus_is_judged_by_its_middle_and_told_once() -> None:
    clips = [units.levels(moving(seed=seed)) for seed in range(9)]
    odd = units.levels(moving() * (9.80665 * AXES + RATE))
    assert units.warning([*clips, odd], inertial.UNITS) is None
    said = units.warning([odd] * 9 + clips[:2], inertial.UNITS)
    assert said and said.count("m/s^2") == 1
    stuck = units.levels(np.repeat(moving()[:1], 200, axis=0))
    said = units.warning([*clips, stuck], inertial.UNITS)
    assert said and "acceleration of 1 of 10 clips" in said


def test_a_corpus_of_another_unit_is_held_to_its_own() -> None:
    g = moving()
    twelve = np.hstack([9.80665 * g[:, :3], 9.80665 * g[:, :3], g[:, 3:] / 57.3, 30 * g[:, 3:]])
    assert told(twelve, MMACT) is None
    assert "likely in g; multiply it by 9.80665" in (told(np.hstack([g[:, :3]] * 2 + [g[:, 3:]] * 2), MMACT) or "")
    twelve[:, 3:6] = np.nan  # a sensor without a sample
    assert told(twelve, MMACT) is None
    assert told(np.full((50, 12), np.nan), MMACT) is None


def test_the_synthetic_recordings_are_plausible_one_by_one(manifest: Manifest) -> None:
    assert manifest.notes == ()
    for name in manifest.clips["imu"].to_pylist():
        assert told(loadmat(manifest.root / name)["d_iner"]) is None, name


@pytest.mark.parametrize(("factor", "likely"), [(0.5, "25 Hz"), (2.0, "100 Hz"), (4.0, "200 Hz")])
def test_another_rate_is_told_by_the_video_beside_it(factor: float, likely: str) -> None:
    seconds = [2.0, 3.0, 4.0]
    samples = [round(50 * factor * s) for s in seconds]
    said = units.rate_warning(samples, seconds, 50.0)
    assert said and likely in said
    assert units.rate_warning([round(55 * s) for s in seconds], seconds, 50.0) is None
    assert units.rate_warning(samples, seconds, None) is None
    assert units.rate_warning([100], [0.0], 50.0) is None, "a video without time stamps"

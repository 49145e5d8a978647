"""Whom `followed` keeps of several people."""

import numpy as np

from datasets.skeletons.follow import followed
from tests.support.recordings.poses import walking


def frames(*people: np.ndarray) -> list[np.ndarray]:
    """Those who aren't NaN in a frame, in another order from frame to frame."""
    found = [np.stack([p for p in frame if not np.isnan(p).any()] or [np.zeros((17, 3))]) for frame in zip(*people)]  # noqa: B905
    return [people[people[..., 2].any(axis=1)][:: (-1) ** number] for number, people in enumerate(found)]


def test_two_people_who_cross_are_told_apart() -> None:
    """They meet in the middle and stand half a body apart there, in rows of their own."""
    right, left = walking(0, 12, confidence=0.8), walking(348, -12, confidence=0.7)
    left[:, :, 1] += 60
    np.testing.assert_allclose(followed(frames(right, left)), right[..., :2])
    left[..., 2] = 0.9
    np.testing.assert_allclose(followed(frames(right, left)), left[..., :2])


def test_the_mean_is_over_the_whole_clip() -> None:
    """Of two of whom in some frames either is the surer, one is kept throughout; one who is sure but seldom is not."""
    first, second, seldom = walking(0, 2), walking(600, 2), walking(1200, 2, confidence=1.0)
    first[::2, :, 2], second[1::3, :, 2], seldom[5:] = 0.7, 0.3, np.nan
    assert (second[::2, 0, 2] > first[::2, 0, 2]).any() and first[..., 2].mean() > second[..., 2].mean()
    np.testing.assert_allclose(followed(frames(first, second, seldom)), first[..., :2])


def test_somebody_who_is_lost_is_found_again_and_is_missing_in_between() -> None:
    person, other = walking(0, 10), walking(900, 0, confidence=0.5)
    person[10:16] = np.nan
    found = followed(frames(person, other))
    assert np.isnan(found[10:16]).all()
    np.testing.assert_allclose(
        np.delete(found, range(10, 16), axis=0), np.delete(person, range(10, 16), axis=0)[..., :2]
    )


def test_nobody_becomes_somebody_who_is_far_away() -> None:
    """The other one appears while the first isn't found, and is taken for nobody but themselves."""
    person, other = walking(0, 1), walking(900, 0, confidence=0.6)
    person[12] = other[:12] = other[13:] = np.nan
    found = followed(frames(person, other))
    assert np.isnan(found[12]).all() and np.isfinite(np.delete(found, 12, axis=0)).all()


def test_somebody_who_leaves_takes_no_frame_of_who_stays() -> None:
    person, other = walking(0, 6), walking(260, 0, confidence=0.5)
    other[8:] = np.nan
    np.testing.assert_allclose(followed(frames(person, other)), person[..., :2])


def test_a_joint_without_confidence_is_missing_alone() -> None:
    person = walking(0, 1)
    person[3:6, 9] = 0
    person[7, 4:, 2], person[8, :4, 2] = 0, 0  # no joint in both
    found = followed(frames(person))
    assert np.isnan(found[3:6, 9]).all() and np.isnan(found).sum() == 2 * (3 + 13 + 4)
    np.testing.assert_allclose(found[3, :9], person[3, :9, :2])


def test_nobody_at_all() -> None:
    assert np.isnan(followed([np.zeros((0, 17, 3))] * 12)).all()

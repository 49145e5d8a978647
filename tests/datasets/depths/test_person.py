"""Where the person is, and how near: the pictures that shards store."""

import numpy as np
import pytest

from datasets.depths import person


def standing(frames: int = 12, depth: int = 2000) -> np.ndarray:
    """Someone of 20 x 8 pixels in frames of 48 x 64."""
    found = np.zeros((frames, 48, 64), np.uint16)
    found[:, 10:30, 40:48] = depth
    return found


def test_the_square_holds_the_person_over_the_whole_clip() -> None:
    clip = standing()
    assert person.square(clip) == (9, 33, 21)  # a twentieth more than 20 pixels
    clip[5:8, 14:18, 20:40] = 1800  # an arm
    top, left, side = person.square(clip)
    assert side == round(1.05 * 28) and left <= 20 and left + side >= 48 and top + side / 2 == pytest.approx(20, abs=1)


def test_stray_pixels_do_not_widen_it() -> None:
    clip = standing()
    clip[:, 2, 3:6] = 2000  # three in every frame
    clip[4, 40:47, 1:8] = 2000  # many, in one frame
    assert person.square(clip) == person.square(standing())


def test_where_next_to_nothing_was_measured_it_holds_that() -> None:
    clip = np.zeros((12, 48, 64), np.uint16)
    clip[3, 10, 20] = 2000
    assert person.square(clip) == (10, 20, 1)
    assert person.pictures(clip, np.arange(12), 16)[3].min() == 128


def test_nearer_is_brighter_by_8_millimetres_a_level_and_nothing_is_black() -> None:
    depth = np.array([[2000, 1992, 2008, 900, 4000, 0]], np.uint16)
    assert person.grey(depth, 2000.0).tolist() == [[128, 129, 127, 255, 1, 0]]


def test_pictures_are_counted_from_the_persons_own_median() -> None:
    for depth in (1500, 3500):
        clip = standing(depth=depth)
        clip[:, 14:18, 40:44] -= 400
        [picture] = person.pictures(clip, np.array([6]), 42)
        assert picture.max() == 128 + 400 // 8 and np.median(picture[picture > 0]) == 128
        assert picture[0, 0] == 0 and picture.shape == (42, 42) and picture.dtype == np.uint8


def test_a_person_at_the_edge_is_padded_with_black() -> None:
    clip = np.roll(standing(), 64 - 48, axis=2)  # the right edge
    _, left, side = person.square(clip)
    assert left + side > 64
    [picture] = person.pictures(clip, np.array([0]), side)
    assert not picture[:, -4:].any() and picture[side // 2, 64 - left - 2] == 128


def test_left_stays_left() -> None:
    clip = standing()
    clip[:, 14:18, 41:44] = 1700
    [picture] = person.pictures(clip, np.array([0]), 42)
    assert picture[:, :21].max() > 150 and picture[:, 24:].max() <= 128

"""The synthetic MMAct corpus's poses: key points where the camera shows the figure, and what isn't found."""

from typing import Any

import numpy as np
import pytest

from datasets.skeletons.joints import COCO
from datasets.synthetic import keypoints, sensors
from datasets.synthetic import utd_mhad as synthetic
from datasets.synthetic.figure import Figure
from datasets.synthetic.mmact import CAMERAS, OCCLUDER, seen


@pytest.fixture(scope="module")
def moving() -> Figure:
    """A walk."""
    return synthetic.figure(0, 23, 1, 1)


def found(moving: Figure, camera: int, person: str = "person1", **given: Any) -> np.ndarray:
    """(T, 17, 3), of the frames in which the person is found."""
    how = {"occluder": None, "beside": False} | given
    frames = list(keypoints.frames(seen(moving, camera), np.random.default_rng(0), **how))
    points = np.array([frame[person] for frame in frames if person in frame]).reshape(-1, 17, 3)
    return points[points.any(axis=(1, 2))]


def test_the_order_is_cocos() -> None:
    sides = {"L": "left_", "R": "right_", "": ""}
    assert tuple(sides[name.partition("_")[2]] + name.partition("_")[0] for name in keypoints.POINTS) == COCO.names


def test_key_points_are_pixels_of_the_film(moving: Figure) -> None:
    """The body isn't of the wall's colour, which a row has at its left end."""
    points = found(moving, 1, missed=0.0)
    film = np.stack(list(sensors.frames(seen(moving, 1), np.random.default_rng(0)))).astype(int)
    assert len(film) == len(points)
    body = points[:, 5:]
    columns, rows = body[:, :, 0].round().astype(int), body[:, :, 1].round().astype(int)
    at = np.arange(len(film))[:, None]
    assert np.mean(np.abs(film[at, rows, columns] - film[at, rows, 2]).max(axis=2) > 30) > 0.95
    assert body[:, :, 2].min() >= 0.6 and body[:, :, 2].max() <= 0.95


def test_left_and_right_are_the_subjects(moving: Figure) -> None:
    shoulders = {camera: found(moving, camera)[:, 5:7, 0].mean(axis=0) for camera in CAMERAS}
    assert shoulders[2][0] > shoulders[2][1] + 5, "seen from before, the left one is on the image's right"
    assert shoulders[4][0] < shoulders[4][1] - 5, "and seen from behind on its left"


def test_a_face_is_found_from_before_alone(moving: Figure) -> None:
    confidence = {camera: found(moving, camera)[:, :5, 2].mean(axis=0) for camera in CAMERAS}
    assert confidence[2][:3].min() > 0.6
    for camera in (3, 4):  # from behind: no nose, no eyes, and the ear of that side
        assert not confidence[camera][:3].any() and sorted(confidence[camera][3:] > 0) == [False, True]


def test_somebody_beside_is_found_with_less_confidence(moving: Figure) -> None:
    both = {name: found(moving, 1, name, beside=True, missed=0.0) for name in ("person1", "person2")}
    assert len(both["person2"]) == pytest.approx(len(both["person1"]) / 2, abs=1)
    assert both["person2"][:, :, 2].max() < 0.5 < both["person1"][:, 5:, 2].min()
    assert np.median(both["person2"][0, 5:, 0] - both["person1"][0, 5:, 0]) == pytest.approx(70, abs=1)


def test_what_is_not_found_is_zeros(moving: Figure) -> None:
    frames = list(keypoints.frames(seen(moving, 1), np.random.default_rng(1), None, False, missed=0.5))
    missed = sum(frame["person1"] == keypoints.NOBODY for frame in frames)
    assert all(len(frame["person1"]) == 51 for frame in frames) and 0.2 < missed / len(frames) < 0.8
    legs = found(moving, 1, occluder=OCCLUDER)[:, 13:]
    assert not legs.any() and found(moving, 1)[:, 13:].all()

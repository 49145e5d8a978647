"""What a network sees of a stored skeleton, and how training clips vary."""

import pytest
import torch

from datasets import modalities
from datasets.modalities import Source
from datasets.modalities.skeleton import Augmentation, Settings
from datasets.skeletons import augment
from datasets.skeletons.joints import KINECT

SPINE, NECK = KINECT.names.index("spine"), KINECT.names.index("shoulder_center")
GIVEN = modalities.of("skeleton").input(Settings(), Source(), lambda rate: 60)


def clips(count: int = 4, samples: int = 60) -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randn(count, samples, 20, 3).cumsum(1) * 0.05 + torch.randn(count, 1, 20, 3)


def seen(x: torch.Tensor, lengths: list[int], how: Augmentation | None = None) -> torch.Tensor:
    return modalities.of("skeleton").see(x, torch.tensor(lengths), GIVEN, how)[0]


def test_where_a_person_stands_and_how_large_they_are_makes_no_difference() -> None:
    x = clips()
    moved = 1.3 * x + torch.tensor([0.5, -0.2, 2.8])
    assert torch.allclose(seen(x, [60] * 4), seen(moved, [60] * 4), atol=1e-4)


def test_the_spine_of_the_first_sample_is_the_origin_and_its_torso_the_unit() -> None:
    found = seen(clips(), [60] * 4)
    assert torch.allclose(found[:, 0, SPINE], torch.zeros(4, 3), atol=1e-6)
    assert torch.allclose(found[:, 0, NECK].norm(dim=1), torch.ones(4))
    assert (found[:, 1:, SPINE].norm(dim=2) > 0).all()  # that of a later one moves on


def test_time_is_relative_and_what_lies_after_the_end_is_not_seen() -> None:
    slow, fast = torch.zeros(2, 1, 60, 20, 3)
    slow[0, :, NECK, 1] = fast[0, :, NECK, 1] = 1
    slow[0, :50, 7, 0], fast[0, :25, 7, 0] = torch.linspace(0, 1, 50), torch.linspace(0, 1, 25)
    slow[0, 50:], fast[0, 25:] = 9, 9
    assert torch.allclose(seen(slow, [50]), seen(fast, [25]), atol=1e-5)


def test_a_missing_recording_has_no_length_and_no_numbers_that_are_none() -> None:
    given = modalities.of("skeleton")
    padding, length = given.missing(GIVEN)
    x, lengths = given.see(torch.from_numpy(padding)[None], torch.tensor([length]), GIVEN, None)
    assert lengths.tolist() == [0] and torch.isfinite(x).all()


def test_a_joint_that_is_never_found_leaves_the_others_as_they_are() -> None:
    x = clips()
    x[0, :, SPINE] = torch.nan
    found = seen(x, [60] * 4)
    assert torch.isnan(found[0, :, SPINE]).all() and torch.isfinite(found[0, :, NECK]).all()


def test_a_person_turns_about_the_vertical_and_keeps_every_distance() -> None:
    x = seen(clips(), [60] * 4)
    turned = augment.vary(x, Augmentation(rotation=30))
    assert torch.allclose(turned[..., 1], x[..., 1])  # heights stay
    assert torch.allclose(torch.cdist(turned, turned), torch.cdist(x, x), atol=1e-4)
    assert not torch.allclose(turned, x, atol=0.1)


def test_a_sheared_person_is_another_by_one_linear_map() -> None:
    x = seen(clips(), [60] * 4)
    sheared = augment.vary(x, Augmentation(shear=0.2))
    for before, after in zip(x.flatten(1, 2), sheared.flatten(1, 2), strict=True):
        found = torch.linalg.lstsq(before, after).solution
        assert torch.allclose(before @ found, after, atol=1e-3)
        assert torch.allclose(found.diagonal(), torch.ones(3), atol=1e-3) and not torch.allclose(
            found, found.T, atol=1e-2
        )


def test_a_hand_on_one_side_stays_there() -> None:
    x = torch.zeros(64, 60, 20, 3)
    x[:, :, NECK, 1] = 0.3
    x[:, :, KINECT.names.index("right_hand"), 0] = 0.5
    torch.manual_seed(0)
    found = seen(x, [60] * 64, Augmentation(rotation=10, scale=0.1, noise=0.02, warp=0.3, crop=0.2))
    assert (found[:, :, KINECT.names.index("right_hand"), 0] > 0.5).all()  # of 1.67


def test_a_torso_that_points_at_the_camera_is_no_unit() -> None:
    x = clips()[..., :2]
    x[0, :, NECK] = x[0, :, SPINE] + 1e-5
    found = augment.normalise(x, [SPINE], [NECK])
    assert found[0].abs().max() < 20 and torch.isfinite(found).all()


def test_a_rotation_is_none_of_a_mirror() -> None:
    for axes in (2, 3):
        torch.manual_seed(0)
        assert torch.allclose(torch.linalg.det(augment.rotations(100, 90.0, axes)), torch.ones(100), atol=1e-5)


@pytest.mark.parametrize("how", [Augmentation(scale=0.2), Augmentation(noise=0.05), Augmentation(warp=0.4, crop=0.2)])
def test_each_variation_changes_training_clips_alone(how: Augmentation) -> None:
    x = clips()
    varied, plain = seen(x, [60] * 4, how), seen(x, [60] * 4)
    assert varied.shape == plain.shape == (4, 64, 20, 3) and not torch.allclose(varied, plain, atol=1e-3)
    torch.manual_seed(3)
    first = seen(x, [60] * 4, how)
    torch.manual_seed(3)
    assert torch.equal(first, seen(x, [60] * 4, how))


def test_a_value_that_can_not_be_is_refused() -> None:
    with pytest.raises(ValueError, match="crop is below 1"):
        Augmentation(crop=1.0)
    with pytest.raises(ValueError, match="resampled=32: a network takes 48 or more"):
        modalities.of("skeleton").input(Settings(resampled=32), Source(), lambda rate: 60)

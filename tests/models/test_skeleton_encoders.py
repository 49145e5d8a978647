"""The encoders of skeletons: sizes, shapes, missing recordings and what they see of a movement."""

import pytest
import torch

from models import encoders
from models.encoders.skeleton import SkeletonEncoder, velocities

pytestmark = pytest.mark.usefixtures("one_thread", "seeded")
NAMES = ("co-occurrence", "temporal")


def encoder(name: str, **settings) -> SkeletonEncoder:
    return encoders.build(name, encoders.settings_of(name, settings)).eval()


def test_the_co_occurrence_network_is_the_published_size() -> None:
    assert sum(parameter.numel() for parameter in encoder("co-occurrence").parameters()) == 432_000


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("joints", "axes"), [(20, 3), (17, 2)])
@pytest.mark.parametrize("samples", [48, 64, 100])
def test_the_embedding_has_a_width_whatever_the_length(name: str, joints: int, axes: int, samples: int) -> None:
    made = encoder(name, channels=axes, joints=joints)
    x, length = torch.randn(3, samples, joints, axes), torch.full((3,), samples)
    assert made(x, length).shape == (3, made.width)
    sequence = made.sequence(made.trunk(x, length, 1), 1)
    assert sequence.shape[:2] == (3, made.width)
    assert torch.equal(sequence.amax(dim=2), made(x, length))


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_recording_is_the_mean_whatever_lies_in_its_place(name: str) -> None:
    made = encoder(name)
    made.mean.copy_(torch.tensor([0.1, 0.8, -0.2]))
    nobody = made(torch.randn(2, 64, 20, 3), torch.tensor([0, 0]))
    mean = made(made.mean.expand(1, 64, 20, 3), torch.tensor([64]))
    assert torch.equal(nobody[0], nobody[1]) and torch.allclose(nobody[:1], mean, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_no_axis_counts_for_more_than_another(name: str) -> None:
    made = encoder(name)
    made.std.copy_(torch.tensor([0.5, 1.5, 0.1]))
    x = torch.randn(2, 64, 20, 3)
    seen_BDSJ = made.normalise(x, torch.tensor([64, 64]))
    lengths, seen = x.norm(dim=3), seen_BDSJ.permute(0, 2, 3, 1).norm(dim=3)
    assert torch.allclose(seen / lengths, (seen / lengths).flatten()[0].expand_as(seen), atol=1e-4)


def test_a_joint_that_was_never_found_is_at_the_mean() -> None:
    made = encoder("temporal")
    x = torch.randn(1, 64, 20, 3)
    x[:, :, 4] = torch.nan
    at_mean = x.clone()
    at_mean[:, :, 4] = made.mean
    assert torch.equal(made(x, torch.tensor([64])), made(at_mean, torch.tensor([64])))


def test_velocities_are_differences_and_the_first_is_nothing() -> None:
    x = torch.arange(5.0).square()[None, None, :, None].expand(2, 3, 5, 4)
    assert velocities(x)[0, 0, :, 0].tolist() == [0, 1, 3, 5, 7]

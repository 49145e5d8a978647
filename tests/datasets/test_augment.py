"""What a network sees of a stored clip, and how training clips vary."""

import pytest
import torch

from datasets import modalities
from datasets.modalities import imu, video
from datasets.signals import augment as signals
from datasets.videos import augment as videos

ALL = imu.Augmentation(rotation=10, noise=0.03, warp=0.2, crop=0.1)


def ramp(length: int, stored: int = 50, channels: int = 6) -> torch.Tensor:
    """One clip that rises by 1 a sample, with something else in its padding."""
    clip = torch.arange(stored, dtype=torch.float32)[:, None].repeat(1, channels)
    clip[length:] = -99
    return clip[None]


@pytest.mark.parametrize("length", [1, 2, 7, 50])
def test_resampling_spans_the_true_signal_and_nothing_else(length: int) -> None:
    found = signals.resample(ramp(length), torch.tensor([length]), 20)
    assert found.shape == (1, 20, 6)
    assert torch.allclose(found[0, :, 0], torch.linspace(0, length - 1, 20), atol=1e-4)


def test_resampling_to_its_own_length_changes_nothing() -> None:
    clip = torch.randn(3, 40, 6)
    assert torch.allclose(signals.resample(clip, torch.tensor([40] * 3), 40), clip, atol=1e-5)


def test_warping_and_cropping_go_forward_within_the_signal() -> None:
    torch.manual_seed(0)
    clips, lengths = ramp(30).repeat(64, 1, 1), torch.tensor([30] * 64)
    warped = signals.resample(clips, lengths, 20, imu.Augmentation(warp=0.5))[:, :, 0]
    assert (warped.diff(dim=1) > 0).all()
    assert torch.allclose(warped[:, 0], torch.zeros(64)) and torch.allclose(warped[:, -1], torch.full((64,), 29.0))
    cropped = signals.resample(clips, lengths, 20, imu.Augmentation(crop=0.2))[:, :, 0]
    span = cropped[:, -1] - cropped[:, 0]
    assert (span >= 0.8 * 29 - 1e-3).all() and span.min() < 25 and span.max() > 27
    assert cropped.min() >= 0 and cropped.max() <= 29


def test_a_recording_that_is_missing_keeps_no_length() -> None:
    see, given = modalities.of("imu").see, imu.Input(50, 6, resampled=60)
    assert see(ramp(30).repeat(2, 1, 1), torch.tensor([30, 0]), given, None)[1].tolist() == [60, 0]


def test_each_channel_is_stronger_or_weaker_all_along() -> None:
    torch.manual_seed(0)
    clips = torch.rand(200, 30, 6) + 1
    factor = signals.vary(clips, imu.Augmentation(scale=0.2)) / clips
    assert torch.allclose(factor, factor[:, :1].expand_as(factor), atol=1e-5)
    assert factor[:, 0].log().std(0).numpy() == pytest.approx(0.2, rel=0.2)
    assert torch.corrcoef(factor[:, 0].T).fill_diagonal_(0).abs().max() < 0.3


def test_a_rotated_sensor_measures_vectors_of_the_same_length() -> None:
    torch.manual_seed(0)
    clips = torch.randn(200, 30, 12)
    turned = signals.vary(clips, imu.Augmentation(rotation=10))
    before, after = (x.reshape(200, 30, 4, 3) for x in (clips, turned))
    assert torch.allclose(before.norm(dim=3), after.norm(dim=3), atol=1e-4)
    # All triplets of a clip, and all its samples, turn together.
    angle = torch.rad2deg(
        torch.acos((torch.einsum("bsci,bsci->bs", before, after) / before.square().sum((2, 3))).clamp(-1, 1))
    )
    assert 2 < angle.mean() < 12
    turn = signals.rotations(1000, 10.0)
    assert torch.allclose(turn @ turn.transpose(1, 2), torch.eye(3).expand(1000, 3, 3), atol=1e-5)
    assert torch.allclose(torch.linalg.det(turn), torch.ones(1000), atol=1e-4)


def test_noise_is_of_the_stated_size() -> None:
    torch.manual_seed(0)
    clips = torch.randn(300, 200, 6) * torch.tensor([1, 1, 1, 100, 100, 100])
    added = signals.vary(clips, imu.Augmentation(noise=0.03)) - clips
    assert added[..., 5].std() == pytest.approx(3, rel=0.1) and added[..., 0].std() == pytest.approx(0.03, rel=0.1)


def numbered(frames: int, size: int) -> torch.Tensor:
    """A video whose channels say which frame, row and column a pixel is."""
    t, y, x = torch.meshgrid(*(torch.arange(n, dtype=torch.uint8) for n in (frames, size, size)), indexing="ij")
    return torch.stack([t, y, x], dim=-1)[None]


def test_a_test_clip_is_seen_from_the_middle_over_its_whole_time() -> None:
    seen, length = videos.view(numbered(24, 72), torch.tensor([24]), 16, 64)
    assert seen.shape == (1, 16, 64, 64, 3) and length.tolist() == [16]
    assert (seen[0, 0, 0, 0].tolist(), seen[0, -1, -1, -1].tolist()) == ([0, 4, 4], [23, 67, 67])
    again, _ = videos.view(numbered(24, 72), torch.tensor([24]), 16, 64)
    assert torch.equal(seen, again)


def test_a_short_video_keeps_all_its_frames_and_its_padding() -> None:
    seen, length = videos.view(numbered(24, 64), torch.tensor([5]), 16, 64)
    assert length.tolist() == [5] and seen[0, :5, 0, 0, 0].tolist() == [0, 1, 2, 3, 4] and not seen[0, 5:].any()


def test_training_clips_are_cropped_in_time_and_space_and_never_flipped() -> None:
    torch.manual_seed(0)
    clips = numbered(24, 72).repeat(64, 1, 1, 1, 1)
    seen, _ = videos.view(clips, torch.tensor([24] * 64), 16, 64, crop=0.3)
    frame, row, column = (seen[..., i].int() for i in range(3))
    assert (frame.diff(dim=1) >= 0).all() and (row.diff(dim=2) == 1).all() and (column.diff(dim=3) == 1).all()
    span = frame[:, -1, 0, 0] - frame[:, 0, 0, 0]
    assert span.min() >= 15 and span.max() >= 22
    assert len(row[:, 0, 0, 0].unique()) == len(column[:, 0, 0, 0].unique()) == 9


def test_the_same_seed_varies_alike() -> None:
    clips, lengths = torch.randn(4, 50, 6), torch.tensor([50, 40, 30, 20])
    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        found.append(signals.vary(signals.resample(clips, lengths, 30, ALL), ALL))
    assert torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])


@pytest.mark.parametrize("wrong", [{"noise": -0.1}, {"crop": 1.0}])
def test_what_cannot_be_meant_of_a_signal_is_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match="below"):
        imu.Augmentation(**wrong)


@pytest.mark.parametrize("share", [-0.1, 1.0, 1.5])
def test_what_cannot_be_meant_of_a_video_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="below"):
        video.Augmentation(video=share)


def test_motion_shows_what_moves_and_not_what_stands() -> None:
    clip = torch.full((1, 5, 4, 4, 3), 100, dtype=torch.uint8)
    clip[0, 2, 1, 1] = 160  # in one frame of five one pixel is brighter
    seen = videos.motion(clip, torch.tensor([5]))
    assert seen.shape == clip.shape and seen.dtype == torch.uint8
    assert seen[0, :, 0, 0].tolist() == [[100, 128, 128]] * 5
    assert seen[0, :, 1, 1].tolist() == [[100, 128, 128]] * 2 + [[160, 158, 158], [100, 98, 128], [100, 128, 128]]


def test_padding_has_no_say_in_what_stands() -> None:
    clip = torch.randint(50, 200, (2, 5, 4, 4, 3), dtype=torch.uint8)
    longer = torch.cat([clip, torch.zeros(2, 7, 4, 4, 3, dtype=torch.uint8)], dim=1)
    expected = videos.motion(clip, torch.tensor([5, 5]))
    assert torch.equal(videos.motion(longer, torch.tensor([5, 5]))[:, :5], expected)
    assert torch.equal(videos.motion(longer, torch.tensor([5, 0]))[0, :5], expected[0]), "one without a frame"

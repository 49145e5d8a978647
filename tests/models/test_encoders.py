"""The encoders and their classifiers: shapes and sizes, padding, torchvision's S3D, bf16."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.video import s3d

from models import encoders
from models.build import build
from models.encoders.cnn import CNN
from models.encoders.s3d import LEAST_BF16
from models.network import Network
from models.spec import EncoderSpec
from tests.support.runs.networks import CLASSES, IMU, VIDEO, clips

pytestmark = pytest.mark.usefixtures("one_thread", "seeded")


def test_the_first_encoder_of_a_modality_is_its_default() -> None:
    """A line at the wrong place would train another network wherever a recipe names none."""
    found = {name: encoders.default(name) for name in ("imu", "skeleton", "video", "depth")}
    assert found == {"imu": "cnn", "skeleton": "co-occurrence", "video": "s3d", "depth": "s3d-depth"}


def cnn(**settings) -> CNN:
    return encoders.build("cnn", encoders.settings_of("cnn", settings))


def of_video(dropout: float = 0.2, classes: int = CLASSES, **settings) -> Network:
    head, encoder = replace(VIDEO.head, dropout=dropout), EncoderSpec("s3d", settings)
    return build(replace(VIDEO, head=head, encoders={"video": encoder}), classes, seed=0)


def test_the_imu_encoder_is_the_papers_size() -> None:
    encoder, three = cnn(channels=6, filters=(32, 64, 96), kernels=(24, 16, 8)), cnn(channels=3)
    assert sum(parameter.numel() for parameter in encoder.parameters()) == 86_720
    assert sum(parameter.numel() for parameter in three.parameters()) == 86_720 - 3 * 32 * 24


@pytest.mark.parametrize("samples", [46, 60, 326])
def test_the_imu_embedding_has_a_width_whatever_the_length(samples: int) -> None:
    encoder = cnn()
    assert encoder(torch.randn(3, samples, 6), torch.full((3,), samples)).shape == (3, encoder.width) == (3, 96)
    assert build(IMU, CLASSES, seed=0).logits({**clips(), "imu": torch.randn(2, samples, 6)}).shape == (2, CLASSES)


@pytest.mark.parametrize("modality", ["imu", "video"])
def test_what_lies_after_a_clips_length_changes_nothing(modality: str, stage1: dict[str, Network]) -> None:
    model = stage1[modality]
    batch = clips()
    batch[f"{modality}_length"] = torch.tensor([batch[modality].shape[1] - 3, batch[modality].shape[1]])
    garbage = batch[modality].clone()
    garbage[0, -3:] = 77
    with torch.no_grad():
        expected, found = model.logits(batch), model.logits({**batch, modality: garbage})
        longer = model.logits({**batch, f"{modality}_length": batch["video_length"] * 0 + batch[modality].shape[1]})
    assert torch.equal(found, expected)
    assert not torch.allclose(longer[0], expected[0]) and torch.allclose(longer[1], expected[1])


def test_an_imu_clip_without_length_is_all_mean() -> None:
    encoder = cnn().eval()
    encoder.mean.copy_(torch.tensor([1.0, -2, 3, -4, 5, -6]))
    encoder.std.copy_(torch.tensor([1.0, 2, 3, 4, 5, 6]))
    none = encoder(torch.randn(1, 60, 6), torch.tensor([0]))
    mean = encoder(encoder.mean.expand(1, 60, 6), torch.tensor([60]))
    assert torch.equal(none, mean) and mean.any()


def test_the_imu_encoder_sees_standardised_samples() -> None:
    encoder = cnn().eval()
    imu, length = torch.randn(2, 60, 6), torch.tensor([60, 50])
    plain = encoder(imu, length)
    encoder.mean.fill_(3.0)
    encoder.std.fill_(2.0)
    torch.testing.assert_close(encoder(imu * 2 + 3, length), plain)


@pytest.mark.parametrize("size", [32, 64])
@pytest.mark.parametrize("frames", [8, 16])
def test_the_video_classifier_takes_any_frames(frames: int, size: int, stage1: dict[str, Network]) -> None:
    batch = clips(2, frames, size)
    with torch.no_grad():
        assert stage1["video"].encoder("video")(batch["video"], batch["video_length"]).shape == (2, 1024)
        assert stage1["video"].logits(batch).shape == (2, CLASSES)


def test_the_embedding_is_torchvisions_for_the_same_weights(stage1: dict[str, Network]) -> None:
    theirs = s3d(num_classes=400).eval().to(memory_format=torch.channels_last_3d)  # the same kernels: the same rounding
    theirs.features.load_state_dict(stage1["video"].encoder("video").layers.state_dict())
    ours = of_video().eval().encoder("video")
    ours.load_weights(theirs.state_dict())
    batch = clips()
    with torch.no_grad():
        # As torchvision's own preset of these weights: Kinetics-400's mean and deviation of RGB.
        mean, std = torch.tensor([0.43216, 0.394666, 0.37645]), torch.tensor([0.22803, 0.22145, 0.216989])
        expected = theirs.features(((batch["video"] / 255 - mean) / std).permute(0, 4, 1, 2, 3)).mean((2, 3, 4))
        found = ours(batch["video"], batch["video_length"])
    assert expected.std(0).mean() > 1e-2
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("wrong", ["empty", "missing", "shape"])
def test_other_weights_are_refused(wrong: str, stage1: dict[str, Network]) -> None:
    state = {f"features.{name}": value for name, value in stage1["video"].encoder("video").layers.state_dict().items()}
    first = next(iter(state))
    changed = {"empty": {}, "missing": {k: v for k, v in state.items() if k != first}}
    changed["shape"] = {**state, first: torch.zeros(3)}
    with pytest.raises(ValueError, match=r"not torchvision's S3D"):
        stage1["video"].encoder("video").load_weights(changed[wrong])


def test_batchnorms_momentum_is_the_specs() -> None:
    model = of_video(batchnorm_momentum=0.3)
    assert {m.momentum for m in model.modules() if isinstance(m, nn.BatchNorm3d)} == {0.3}


def test_bf16s_gradients_are_fp32s_up_to_bf16s_rounding() -> None:
    """No further from fp32's than weights rounded as bf16 rounds move those; the last blocks see two frames."""
    video = torch.zeros(8, 16, 32, 32, 3, dtype=torch.uint8)
    for clip in range(8):
        for frame in range(16):
            x, y = (5 * clip + 2 * frame * (clip % 4)) % 24, (3 * clip + frame * (clip // 4)) % 24
            video[clip, frame, y : y + 8, x : x + 8] = torch.tensor([60 + 20 * clip, 255 - 20 * clip, 128])
    batch = {"video": video, "video_length": torch.full((8,), 16)}

    def gradients(model: Network) -> Tensor:
        model.zero_grad()
        F.cross_entropy(model.logits(batch), torch.arange(8)).backward()
        return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])

    plain, half = (of_video(0.0, 8, precision=p) for p in ("fp32", "bf16"))
    optimizer = torch.optim.AdamW(plain.parameters(), 1e-3)
    for _ in range(4):  # a fresh network's gradients are chaotic in any precision
        gradients(plain)
        optimizer.step()
    half.load_state_dict(plain.state_dict())
    rounded = copy.deepcopy(plain)
    for p in rounded.parameters():
        p.data = p.data.bfloat16().float()
    exact, found, moved = (gradients(model) for model in (plain, half, rounded))
    assert found.isfinite().all() and not found.equal(exact)
    assert (found - exact).norm() < 1.5 * (moved - exact).norm() < 0.9 * exact.norm()


@pytest.mark.parametrize("kernel", [(3, 1, 1), (3, 3, 3)])
@pytest.mark.parametrize("frames", [3, 4, 8])
def test_a_temporal_convolution_in_bf16_has_the_right_weight_gradients(
    frames: int, kernel: tuple[int, int, int]
) -> None:
    """Over as few frames as the encoders give it; over two they aren't, which is why they give it none."""
    layer, x = nn.Conv3d(16, 32, kernel, padding="same"), torch.randn(8, 16, frames, 4, 4)
    assert frames >= LEAST_BF16
    exact, found = [], []
    for gave, bf16 in ((exact, False), (found, True)):
        layer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            y = layer(x)
        y.float().square().sum().backward()
        assert layer.weight.grad is not None
        gave.append(layer.weight.grad.clone())
    assert (found[0] - exact[0]).norm() < 0.02 * exact[0].norm()

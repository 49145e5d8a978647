"""Stage 2: what of a fusion trains, what the frozen trunk gives, attention, a missing modality."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from models.attention import JointAttention
from models.build import build_fusion
from models.fusion import Fusion
from models.imu import ImuClassifier
from models.spec import FusionModel, VideoModel
from models.video import VideoClassifier
from tests.support.networks import CLASSES, clips

pytestmark = pytest.mark.usefixtures("one_thread", "seeded")


@pytest.fixture
def fusion(stage1: tuple[ImuClassifier, VideoClassifier]) -> Fusion:
    imu, video = copy.deepcopy(stage1)
    made = build_fusion(FusionModel(hidden=16), imu, video, CLASSES)
    assert isinstance(made, Fusion)
    return made


def test_only_the_finetuned_blocks_the_imu_encoder_and_the_head_train(fusion: Fusion) -> None:
    trained = ("imu.", "head.", "video.features.9.", "video.features.15.")  # S3D's Mixed_4c and Mixed_5c
    assert (VideoModel().blocks["Mixed_4c"], VideoModel().blocks["Mixed_5c"]) == (9, 15)
    for name, parameter in fusion.named_parameters():
        assert parameter.requires_grad == name.startswith(trained), name


def test_training_leaves_frozen_weights_and_statistics_as_they_are(fusion: Fusion) -> None:
    before = copy.deepcopy(fusion.state_dict())
    optimizer = torch.optim.Adam([p for p in fusion.parameters() if p.requires_grad], lr=1e-3)
    batch = clips(4)
    fusion.train()
    for _ in range(2):
        optimizer.zero_grad()
        F.cross_entropy(fusion(batch), batch["label"]).backward()
        optimizer.step()
    trained = ("imu.blocks.", "head.", "video.features.9.", "video.features.15.")
    for name, value in fusion.state_dict().items():
        assert torch.equal(value, before[name]) != name.startswith(trained), name


@pytest.mark.parametrize("blocks", [("Mixed_4c", "Mixed_5c"), ("Mixed_5b",), ()])
def test_logits_from_the_precomputed_trunk_are_the_full_networks(
    blocks: tuple[str, ...], stage1: tuple[ImuClassifier, VideoClassifier]
) -> None:
    imu, video = stage1
    model = Fusion(FusionModel(hidden=16, finetuned=blocks), imu.encoder, video.encoder, CLASSES).eval()
    batch = clips()
    batch["video_length"] = torch.tensor([8, 5])
    made = model.trunk(batch)
    assert not made["trunk"].requires_grad and made["trunk"][:1].nbytes == model.trunk_bytes(8, 32)
    kept = {k: v for k, v in batch.items() if not k.startswith("video")} | made
    with torch.no_grad():
        whole = model.head(
            torch.cat(
                [imu.encoder(batch["imu"], batch["imu_length"]), video.encoder(batch["video"], batch["video_length"])],
                1,
            )
        )
        torch.testing.assert_close(model(kept), whole, rtol=0, atol=1e-4)
        torch.testing.assert_close(model(batch), whole, rtol=0, atol=1e-4)
    assert whole.std(0).mean() > 1e-2


def test_an_unknown_block_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\['Mixed_9z'\].*Mixed_3b"):
        FusionModel(finetuned=("Mixed_4c", "Mixed_9z"))


@pytest.mark.parametrize("by", ["concatenation", "attention"])
def test_a_frozen_fusion_trains_only_what_joins(by, stage1: tuple[ImuClassifier, VideoClassifier]) -> None:
    spec = FusionModel(hidden=16, finetuned=(), finetuned_imu=False, by=by)
    fusion = build_fusion(spec, *copy.deepcopy(stage1), CLASSES)
    trained = {name.split(".")[0] for name, p in fusion.named_parameters() if p.requires_grad}
    assert trained == {"head"} | ({"joint"} if by == "attention" else set())
    assert not fusion.train().imu.training and fusion.head.training


def test_a_fusion_can_be_finetuned_whole(stage1: tuple[ImuClassifier, VideoClassifier]) -> None:
    fusion = build_fusion(FusionModel(hidden=16, finetuned=tuple(VideoModel().blocks)), *copy.deepcopy(stage1), CLASSES)
    assert all(p.requires_grad for p in fusion.parameters())
    assert all(m.training for m in fusion.train().modules() if isinstance(m, nn.BatchNorm3d))
    F.cross_entropy(fusion(clips()), torch.tensor([0, 1])).backward()
    assert all(p.grad is not None for p in fusion.parameters())


def test_attention_looks_at_both_sequences(stage1: tuple[ImuClassifier, VideoClassifier]) -> None:
    """What one modality has become depends on the other, and on when in the clip something happens."""
    fusion = build_fusion(FusionModel(hidden=16, by="attention"), *copy.deepcopy(stage1), CLASSES).eval()
    assert isinstance(fusion, Fusion) and fusion.joint
    imu, video, steps = torch.randn(2, 96, 15), torch.randn(2, 1024, 3), (torch.tensor([15, 15]), torch.tensor([3, 3]))
    joint, other = fusion.joint(imu, video, *steps), fusion.joint(imu, 2 * video, *steps)
    assert joint.shape == (2, 32) and not torch.allclose(joint[:, :16], other[:, :16])
    assert not torch.allclose(joint, fusion.joint(imu.flip(2), video, *steps), atol=1e-4)
    batch = clips()
    assert torch.allclose(fusion(batch), fusion(batch | fusion.trunk(batch)), atol=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_attention_sees_no_padding(training: bool) -> None:
    """What lies after a clip's true steps changes nothing, nor how many steps there are; without both all is zero."""
    joint = JointAttention(6, 8, 16).train(training)
    for module in joint.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    joint.layer.self_attn.dropout = 0.0
    imu, video, steps = torch.randn(3, 6, 15), torch.randn(3, 8, 5), (torch.tensor([9, 9, 0]), torch.tensor([4, 0, 0]))
    found = joint(imu, video, *steps)
    other = joint(torch.cat([imu[:, :, :9], torch.randn(3, 6, 30)], 2), video[:, :, :4], *steps)
    assert torch.allclose(found, other, atol=1e-5) and found[0].abs().min() > 0
    assert (found[1, 16:] == 0).all() and found[1, :16].abs().min() > 0 and (found[2] == 0).all()
    whole = joint(imu[:1, :, :9], video[:1, :, :4], steps[0][:1], steps[1][:1])
    assert torch.allclose(found[:1], whole, atol=1e-5)


def test_a_missing_video_is_one_without_length(fusion: Fusion) -> None:
    batch = clips()
    blank = fusion.trunk(batch | {"video_length": torch.zeros(2, dtype=torch.long)})
    for name, values in fusion.blank(8, 32).items():
        assert torch.allclose(blank[name], values.expand_as(blank[name]), atol=1e-4)
    assert (blank["trunk_length"] == 0).all() and (fusion.trunk(batch)["trunk_length"] > 0).all()

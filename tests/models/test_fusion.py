"""Stage 2: what of a fusion trains, what the frozen trunk gives, attention, a missing modality."""

import copy
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from models import encoders
from models.build import build
from models.joins.attention import Attention
from models.network import Network
from tests.support.runs import specs
from tests.support.runs.networks import CLASSES, IMU, clips

pytestmark = pytest.mark.usefixtures("one_thread", "seeded")


S3D = encoders.ENCODERS["s3d"].blocks
MIXED = ("Mixed_4c", "Mixed_5c")
TRAINED = ("encoders.imu.layers.", "head.", "encoders.video.layers.9.", "encoders.video.layers.15.")


def fused(stage1: dict[str, Network], **head: Any) -> Any:
    """As the paper has it but for what `head` changes; from copies of its parents."""
    return build(specs.network("imu", "video", hidden=16, **head), CLASSES, 0, copy.deepcopy(stage1))


@pytest.fixture
def fusion(stage1: dict[str, Network]) -> Any:
    return fused(stage1)


def test_only_the_finetuned_blocks_the_imu_encoder_and_the_head_train(fusion: Network) -> None:
    assert [S3D[name] for name in MIXED] == [9, 15]
    for name, parameter in fusion.named_parameters():
        assert parameter.requires_grad == name.startswith(TRAINED), name


def test_training_leaves_frozen_weights_and_statistics_as_they_are(fusion: Network) -> None:
    before = copy.deepcopy(fusion.state_dict())
    optimizer = torch.optim.Adam([p for p in fusion.parameters() if p.requires_grad], lr=1e-3)
    batch = clips(4)
    fusion.train()
    for _ in range(2):
        optimizer.zero_grad()
        fusion(batch)["loss"].backward()
        optimizer.step()
    for name, value in fusion.state_dict().items():
        assert torch.equal(value, before[name]) != name.startswith(TRAINED), name


@pytest.mark.parametrize("blocks", [("Mixed_4c", "Mixed_5c"), ("Mixed_5b",), ()])
def test_logits_from_the_precomputed_trunk_are_the_full_networks(
    blocks: tuple[str, ...], stage1: dict[str, Network]
) -> None:
    model = fused(stage1, finetuned={"video": blocks}).eval()
    batch = clips()
    batch["video_length"] = torch.tensor([8, 5])
    assert model.frozen == ["video"]
    made = model.trunk(batch, "video")
    assert not made["video_trunk"].requires_grad
    assert made["video_trunk"][:1].nbytes == model.blank(batch["video"], "video")["video_trunk"].nbytes
    kept = {k: v for k, v in batch.items() if not k.startswith("video")} | made
    with torch.no_grad():
        whole = model.head(
            torch.cat([stage1[name].encoder(name)(batch[name], batch[f"{name}_length"]) for name in stage1], 1)
        )
        torch.testing.assert_close(model.logits(kept), whole, rtol=0, atol=1e-4)
        torch.testing.assert_close(model.logits(batch), whole, rtol=0, atol=1e-4)
    assert whole.std(0).mean() > 1e-2


def test_an_unknown_block_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\['Mixed_9z'\].*Mixed_3b"):
        specs.network("imu", "video", finetuned={"video": ("Mixed_4c", "Mixed_9z")})
    with pytest.raises(ValueError, match=r"finetuned video .* a network without video has no such block"):
        specs.network("imu", finetuned={"video": ("Mixed_4c",)})


def test_blocks_of_any_modality_can_be_finetuned(stage1: dict[str, Network]) -> None:
    model = fused(stage1, finetuned={"imu": ("conv3",), "video": ("Mixed_5c",)})
    trained = {".".join(name.split(".")[:4]) for name, p in model.named_parameters() if p.requires_grad}
    assert {name for name in trained if name.startswith("enc")} == {"encoders.imu.layers.6", "encoders.video.layers.15"}
    batch = clips()
    features = model.trunk(batch, "imu")
    assert features["imu_trunk"].shape == (2, 64, 60 - 23 - 15) and model.frozen == ["video"]
    assert torch.allclose(model.eval().logits(batch), model.logits(batch | model.trunk(batch, "imu")), atol=1e-5)


@pytest.mark.parametrize("join", ["concatenation", "attention"])
def test_a_frozen_fusion_trains_only_what_joins(join: str, stage1: dict[str, Network]) -> None:
    fusion = fused(stage1, finetuned={"imu": (), "video": ()}, join=join)
    trained = {name.split(".")[0] for name, p in fusion.named_parameters() if p.requires_grad}
    assert trained == {"head"} | ({"join"} if join == "attention" else set())
    assert not fusion.train().encoder("imu").training and fusion.head.training


@pytest.mark.parametrize("finetuned", [{}, {"video": tuple(S3D)}, {"imu": ("conv1", "conv2", "conv3")}])
def test_a_fusion_can_be_finetuned_whole(finetuned: dict, stage1: dict[str, Network]) -> None:
    fusion = fused(stage1, finetuned=finetuned)
    assert all(p.requires_grad for p in fusion.parameters()) and fusion.frozen == []
    assert all(m.training for m in fusion.train().modules() if isinstance(m, nn.BatchNorm3d))
    F.cross_entropy(fusion.logits(clips()), torch.tensor([0, 1])).backward()
    assert all(p.grad is not None for p in fusion.parameters())


def test_an_encoder_is_its_parents_or_drawn_as_stage_1_draws_it(stage1: dict[str, Network]) -> None:
    """One that no parent has trained trains on as a whole, whatever is fine-tuned of those that have one."""
    parents = {"video": copy.deepcopy(stage1["video"])}
    fusion = build(specs.network("imu", "video", finetuned={"imu": (), "video": ()}), CLASSES, 7, parents)
    assert fusion.encoder("video") is parents["video"].encoder("video")
    drawn = build(IMU, CLASSES, seed=7).encoder("imu").state_dict()
    assert all(value.equal(drawn[name]) for name, value in fusion.encoder("imu").state_dict().items())
    assert all(p.requires_grad for p in fusion.encoder("imu").parameters())
    assert not any(p.requires_grad for p in fusion.encoder("video").parameters())


def test_the_loss_is_a_sum_over_clips_beside_how_many_are_right(stage1: dict[str, Network]) -> None:
    model = fused(stage1, label_smoothing=0.1).eval()
    batch = clips(4)
    with torch.no_grad():
        found, logits = model(batch), model.logits(batch)
    expected = F.cross_entropy(logits, batch["label"], label_smoothing=0.1)
    assert found["loss"].item() == pytest.approx(4 * expected.item(), rel=1e-5)
    assert found.keys() == {"loss", "train_top1"} and found["train_top1"] == (logits.argmax(1) == batch["label"]).sum()


def test_attention_looks_at_both_sequences(stage1: dict[str, Network]) -> None:
    """What one modality has become depends on the other, and on when in the clip something happens."""
    fusion = fused(stage1, join="attention").eval()
    imu, video, steps = torch.randn(2, 96, 15), torch.randn(2, 1024, 3), (torch.tensor([15, 15]), torch.tensor([3, 3]))
    joint, other = fusion.join((imu, video), steps), fusion.join((imu, 2 * video), steps)
    assert joint.shape == (2, 32) and not torch.allclose(joint[:, :16], other[:, :16])
    assert not torch.allclose(joint, fusion.join((imu.flip(2), video), steps), atol=1e-4)
    batch = clips()
    assert torch.allclose(fusion.logits(batch), fusion.logits(batch | fusion.trunk(batch, "video")), atol=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_attention_sees_no_padding(training: bool) -> None:
    """What lies after a clip's true steps changes nothing, nor how many steps there are; without both all is zero."""
    joint = Attention((6, 8), 16).train(training)
    for module in joint.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    joint.layer.self_attn.dropout = 0.0
    imu, video, steps = torch.randn(3, 6, 15), torch.randn(3, 8, 5), (torch.tensor([9, 9, 0]), torch.tensor([4, 0, 0]))
    found = joint((imu, video), steps)
    other = joint((torch.cat([imu[:, :, :9], torch.randn(3, 6, 30)], 2), video[:, :, :4]), steps)
    assert torch.allclose(found, other, atol=1e-5) and found[0].abs().min() > 0
    assert (found[1, 16:] == 0).all() and found[1, :16].abs().min() > 0 and (found[2] == 0).all()
    whole = joint((imu[:1, :, :9], video[:1, :, :4]), (steps[0][:1], steps[1][:1]))
    assert torch.allclose(found[:1], whole, atol=1e-5)


def test_attention_joins_as_many_as_there_are() -> None:
    """Each looks at all others that are there."""
    joint = Attention((6, 8, 5), 16).eval()
    three, steps = [torch.randn(2, width, 7) for width in (6, 8, 5)], [torch.tensor([7, 7])] * 3
    found = joint(three, steps)
    for changed in range(3):
        other = joint([x + (i == changed) for i, x in enumerate(three)], steps)
        assert found.shape == (2, 48) and not any(torch.allclose(a, b) for a, b in zip(found[0], other[0], strict=True))
    missing = joint(three, [steps[0], steps[1], torch.tensor([0, 7])])
    assert (missing[0, 32:] == 0).all() and missing[0, :32].abs().min() > 0 and torch.allclose(missing[1], found[1])


@pytest.mark.parametrize("modality", ["imu", "video"])
def test_a_missing_recording_is_one_without_length(modality: str, fusion: Network) -> None:
    batch = clips()
    blank = fusion.trunk(batch | {f"{modality}_length": torch.zeros(2, dtype=torch.long)}, modality)
    for name, values in fusion.blank(batch[modality], modality).items():
        assert torch.allclose(blank[name], values.expand_as(blank[name]), atol=1e-4)
    steps = f"{modality}_trunk_length"
    assert (blank[steps] == 0).all() and (fusion.trunk(batch, modality)[steps] > 0).all()

"""HAMLET's and MuMu's networks: segments, two levels of attention, a mixture that guides, groups of actions."""

import pytest
import torch
from torch import Tensor

from datasets.corpora.mmact import AT_DESK
from datasets.corpora.mmact_folders import CLASSES
from models import encoders
from models.build import build
from models.joins import JOINS
from models.methods.mumu import MMACT, SHARE, groups
from models.network import Batch, Network
from models.parts import part
from models.spec import EncoderSpec, HeadSpec, NetworkSpec

pytestmark = pytest.mark.usefixtures("one_thread", "seeded")
RIVALS = ("hierarchical-attention", "guided-attention")


def clips(count: int = 3) -> Batch:
    return {
        "imu": torch.randn(count, 52, 6), "imu_length": torch.full((count,), 52),
        "skeleton": torch.randn(count, 48, 20, 3), "skeleton_length": torch.full((count,), 48),
        "label": torch.arange(count),
    }  # fmt: skip


def network(join: str, objective: str = "classification", classes: int = 27) -> Network:
    read = {m: EncoderSpec(f"segments-{m}", {"width": 16}) for m in ("imu", "skeleton")}
    return build(NetworkSpec(read, HeadSpec(16, join=join), objective), classes, 0)


@pytest.mark.parametrize(("name", "steps"), [("imu", 11), ("skeleton", 10)])
def test_each_segment_of_five_is_a_step_and_the_lstm_looks_back_alone(name: str, steps: int) -> None:
    settings = encoders.settings_of(f"segments-{name}", {"width": 16})
    encoder, batch = encoders.build(f"segments-{name}", settings).eval(), clips()
    x, length = batch[name], batch[f"{name}_length"]
    found = encoder.sequence(encoder.normalise(x, length), 0)
    assert found.shape == (3, 16, steps) and encoder.width == 16
    later = x.clone()
    later[:, 25:] += 1
    other = encoder.sequence(encoder.normalise(later, length), 0)
    assert torch.equal(found[..., :5], other[..., :5])
    assert all(not torch.allclose(found[..., i], other[..., i], atol=1e-5) for i in range(5, steps))


def test_sensors_are_joints_of_three_axes() -> None:
    """The accelerometer's and the gyroscope's axes are not mixed up."""
    encoder = encoders.build("segments-imu", encoders.settings_of("segments-imu", {}))
    x = torch.arange(6.0).expand(1, 50, 6)
    found = encoder.normalise(x, torch.tensor([50]))
    assert found.shape == (1, 3, 50, 2) and found[0, :, 0].T.tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize("join", RIVALS)
def test_padding_is_not_looked_at(join: str) -> None:
    layer = part(JOINS[join])([8, 6], 8).eval()
    one, two, steps = torch.randn(3, 8, 9), torch.randn(3, 6, 5), (torch.tensor([9, 9, 0]), torch.tensor([4, 0, 0]))
    found = layer((one, two), steps)
    assert found.shape == (3, layer.width) == (3, 16) and found.isfinite().all()
    padded = layer(
        (torch.cat([one, torch.randn(3, 8, 4)], 2), torch.cat([two[..., :4], torch.randn(3, 6, 9)], 2)), steps
    )
    torch.testing.assert_close(found[:2], padded[:2])
    for other in ((one + 1, two), (one.flip(2) * 2, two), (one, two * 2)):
        assert not torch.allclose(layer(other, steps)[0], found[0], atol=1e-4)
    torch.testing.assert_close(layer((one, 2 * two), steps)[1], found[1])


def test_what_guides_is_a_mean_of_those_that_are_there() -> None:
    layer = part(JOINS["guided-attention"])([8, 8], 8).eval()
    x, none = torch.randn(2, 8, 5), torch.tensor([0, 0])
    alone = layer((x, torch.randn(2, 8, 5)), (torch.tensor([5, 5]), none))
    with torch.no_grad():
        score = layer.step[0](x.transpose(1, 2)).softmax(1)
        expected = layer.after[0]((score * x.transpose(1, 2)).sum(1))
    torch.testing.assert_close(alone[:, 8:], expected)


@pytest.mark.parametrize("objective", ["classification", "mumu:MuMu"])
def test_it_learns_and_every_part_takes_part(objective: str) -> None:
    model, batch = network(RIVALS[objective != "classification"], objective), clips(6)
    optimizer, losses = torch.optim.Adam(model.parameters(), 1e-2), []
    for _ in range(25):
        optimizer.zero_grad()
        (loss := model.train()(batch)["loss"]).backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
    unmoved = {name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().max() > 0}
    # A softmax doesn't change where the same number is added to all that it weighs.
    assert all(name.endswith(("bias", "bias_hh_l0", "in_proj_bias")) for name in unmoved), unmoved
    assert model.eval().logits(batch).shape == (6, 27)


def test_the_loss_of_groups_counts_half() -> None:
    model, batch = network(RIVALS[1], "mumu:MuMu").eval(), clips()
    cross: list[Tensor] = []
    with torch.no_grad():
        joined = model.joined(batch)  # pyright: ignore
        for said, label in (
            (model.logits(batch), batch["label"]),
            (model.groups(joined[:, 16:]), torch.tensor(groups(27))[batch["label"]]),  # pyright: ignore
        ):
            cross.append(-said.log_softmax(1)[range(3), label].sum())
        assert model(batch)["loss"].item() == pytest.approx((cross[0] + SHARE * cross[1]).item(), rel=1e-5)


def test_groups_are_in_the_order_of_the_classes() -> None:
    assert len(groups(27)) == 27 and [i + 1 for i, group in enumerate(groups(27)) if group == 2] == [16, 22, 26, 27]
    names = [*CLASSES, *(f"{name}_desk" for name in AT_DESK)]
    for name, group in zip(names, groups(37), strict=True):
        assert name.removesuffix("_desk") in [*MMACT.values()][group].split()
    assert groups(35) == groups(37)[:35]
    with pytest.raises(ValueError, match="known of 27, 35, 37 classes, not of 5"):
        network(RIVALS[1], "mumu:MuMu", classes=5)

"""Encoders of moments of frames on frozen blocks of I3D, and the relations between moments that a teacher learns."""

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models import encoders
from models.build import build
from models.encoders import BLOCKS
from models.encoders.encoder import Encoder
from models.network import Batch, Network
from models.objectives.temporal_relations import Relations, looked_at
from models.spec import EncoderSpec, HeadSpec, NetworkSpec
from tests.support import i3d_reference as reference

pytestmark = pytest.mark.usefixtures("one_thread", "seeded")
KERNELS = json.loads((Path(__file__).parent / "i3d.json").read_text())["kernels"]
FROZEN = BLOCKS["Mixed_4f"] + 1


@pytest.fixture(scope="module")
def weights() -> dict[str, Any]:
    return reference.weights(KERNELS)


def made(name: str, weights: dict[str, Any], **changed: Any) -> Encoder:
    encoder = encoders.build(name, encoders.settings_of(name, changed)).eval()
    encoder.load_weights(weights)
    return encoder


@pytest.mark.parametrize("name", ["segments-depth", "features-video"])
def test_what_is_frozen_is_i3d_and_a_moment_is_the_mean_of_its_places(name: str, weights: dict[str, Any]) -> None:
    encoder, i3d = made(name, weights, width=12), made("i3d", weights)
    x, length = torch.from_numpy(reference.frames()), torch.tensor([10])
    stored, steps = encoder.stored(x, length, FROZEN)
    expected, _ = i3d.stored(x, length, FROZEN)
    assert stored.equal(expected) and stored.shape[:3] == (1, 832, 3) and steps.tolist() == [3]
    features = stored.float()
    assert encoder.sequence(features, FROZEN).shape == (1, 12, 3) and encoder.top(features, FROZEN).shape == (1, 12)
    moved = features.flip(3, 4)
    torch.testing.assert_close(encoder.sequence(moved, FROZEN), encoder.sequence(features, FROZEN))
    later = features.clone()
    later[:, :, 2] += 1
    one, other = encoder.sequence(features, FROZEN), encoder.sequence(later, FROZEN)
    assert torch.equal(one[..., :2], other[..., :2]) and not torch.allclose(one[..., 2], other[..., 2])


def test_a_segment_of_frames_remembers_those_before(weights: dict[str, Any]) -> None:
    features = torch.rand(1, 832, 3, 2, 2)
    earlier = features.clone()
    earlier[:, :, 0] += 1
    for name, remembers in (("segments-depth", True), ("features-depth", False)):
        encoder = made(name, weights, width=12)
        one, other = encoder.sequence(features, FROZEN), encoder.sequence(earlier, FROZEN)
        assert torch.allclose(one[..., 2], other[..., 2], atol=1e-6) != remembers


def test_all_blocks_may_be_frozen_but_none_may_not() -> None:
    for block in ("Mixed_3c", "Mixed_5c"):
        assert EncoderSpec("segments-video", {"frozen": block}).frozen == BLOCKS[block] + 1
    with pytest.raises(ValueError, match="frozen none: choose from Mixed_3b, "):
        EncoderSpec("segments-video", {"frozen": "none"})
    with pytest.raises(ValueError, match=r"video\.model\.frozen Mixed_4f: .* Add --weights kinetics400 or a file\. "):
        NetworkSpec({"video": EncoderSpec("segments-video", {"weights": "none"})})


def test_moments_at_even_distances_are_true_ones() -> None:
    x = torch.arange(16.0).expand(4, 3, 16)
    found = looked_at(x, torch.tensor([8, 16, 3, 0]))
    assert found.shape == (4, 8, 3) and found[:, :, 0].tolist() == [
        [0, 1, 2, 3, 4, 5, 6, 7],
        [1, 3, 5, 7, 9, 11, 13, 15],
        [0, 0, 0, 1, 1, 2, 2, 2],
        [0] * 8,
    ]


def test_relations_are_sums_over_sizes_of_what_draws_have_on_average() -> None:
    network, x = Relations(6, 5, 4).eval(), torch.randn(2, 8, 6)
    expected = np.zeros((2, 4))
    for size, mlp in zip(range(8, 1, -1), network.layers, strict=True):
        assert isinstance(mlp, torch.nn.Sequential)
        w, b, v, c = (p.detach().numpy() for p in mlp.parameters())
        said = []
        for chosen in combinations(range(8), size):
            seen = np.maximum(np.concatenate([x[:, i].numpy() for i in chosen], axis=1), 0)
            said.append(np.maximum(seen @ w.T + b, 0) @ v.T + c)
        expected += min(3, len(said)) * np.mean(said, axis=0)
    with torch.no_grad():
        np.testing.assert_allclose(network(x), expected, rtol=1e-4, atol=1e-5)
        drawn = torch.stack([network.train()(x) for _ in range(400)])
        assert drawn.std(0).max() > 0.01 and torch.equal(network.eval()(x), network(x))
        spread = drawn.std(0) / 400**0.5
        assert ((drawn.mean(0) - torch.from_numpy(expected)).abs() < 5 * spread + 1e-5).all()


def teacher() -> Network:
    spec = NetworkSpec({"depth": EncoderSpec("features-depth", {"width": 20})}, HeadSpec(16), "temporal-relations")
    return build(spec, 5, 0)


def test_a_teacher_learns_and_looks_at_no_padding() -> None:
    model = teacher()
    batch: Batch = {
        "depth_frozen": torch.rand(6, 832, 8, 2, 2).half(), "depth_frozen_length": torch.full((6,), 8),
        "label": torch.arange(6) % 5,
    }  # fmt: skip
    optimizer, losses = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 3e-3), []
    for _ in range(12):
        optimizer.zero_grad()
        (loss := model.train()(batch)["loss"]).backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)
    short = batch | {"depth_frozen_length": torch.full((6,), 5)}
    padded = short | {
        "depth_frozen": torch.cat([batch["depth_frozen"][:, :, :5], torch.rand(6, 832, 3, 2, 2).half()], 2)
    }
    with torch.no_grad():
        whole = model.eval().logits(short)
        torch.testing.assert_close(model.logits(padded), whole)
        assert not torch.allclose(model.logits(batch), whole, atol=1e-3)
        encoded = short | model.encode(short, "depth")
        torch.testing.assert_close(model.logits(encoded), whole)

"""The encoders of methods that others published: CMC-CMKM's of signals, VSKD's of an accelerometer as images."""

import numpy as np
import pytest
import torch

from models import encoders
from models.encoders.gramian import Gramian
from models.encoders.transformer import Positions

pytestmark = pytest.mark.usefixtures("one_thread", "seeded")


def test_the_transformer_has_the_width_that_its_samples_make() -> None:
    """Of 50 samples the paper's 5,632 numbers, and its 1.24 million parameters."""
    encoder = encoders.build("cnn-transformer", encoders.settings_of("cnn-transformer", {}))
    assert encoder.width == 5632 and sum(p.numel() for p in encoder.parameters()) == 1_238_880
    x, length = torch.randn(3, 50, 6), torch.tensor([50, 50, 0])
    found = encoder.eval()(x, length)
    assert found.shape == (3, 5632) and encoder.sequence(encoder.normalise(x, length), 0).shape == (3, 5632, 1)
    for other in (x.flip(1), x * torch.tensor([1, 1, 1, 1, 1, 0])):
        assert not torch.allclose(encoder(other, length)[:2], found[:2], atol=1e-3)
    assert torch.equal(encoder(x + 1, length)[2], found[2]), "a clip without length is padding"


def test_places_are_told_apart() -> None:
    found = Positions(44, 128, 0.0)(torch.zeros(1, 128, 44))[0]
    assert found.shape == (44, 128) and found[0, :4].tolist() == [0, 1, 0, 1]
    assert found[3, 0].item() == pytest.approx(np.sin(3), rel=1e-5)
    assert found[3, 3].item() == pytest.approx(np.cos(3 / 1e4 ** (2 / 128)), rel=1e-5)
    assert torch.cdist(found, found).fill_diagonal_(9).min() > 0.1


def test_a_gramian_field_by_hand() -> None:
    signal = torch.tensor([[[0.0, 1.0, 3.0], [5.0, 4.0, 6.0], [2.0, 2.0, 2.0], [1.0, 2.0, 4.0]]])
    found = Gramian(0)(signal)
    assert found.shape == (1, 3, 3, 3)
    for axis in range(2):
        x = signal[0, axis].numpy()
        x = np.arccos((2 * x - x.max() - x.min()) / (x.max() - x.min()))
        field = np.cos(x[:, None] + x[None])
        np.testing.assert_allclose(found[0, axis], (field - field.min()) / (field.max() - field.min()), atol=1e-6)
    assert (found[0, 2] == 0).all(), "an axis on which nothing happens"
    assert torch.allclose(Gramian(1)(signal)[0, 0], found[0, 1]) and torch.allclose(Gramian(0)(3 * signal - 1), found)


def test_the_resnet_sees_three_axes_alone() -> None:
    encoder = encoders.build("gramian-resnet18", encoders.settings_of("gramian-resnet18", {}))
    x, length = torch.randn(2, 64, 6), torch.tensor([64, 64])
    found = encoder.eval()(x, length)
    assert found.shape == (2, 300) and found.min() >= 0
    turned = x.clone()
    turned[:, :, 3:] = 0
    assert torch.equal(encoder(turned, length), found)
    turned[:, :, 2] = 0
    assert not torch.allclose(encoder(turned, length), found, atol=1e-3)

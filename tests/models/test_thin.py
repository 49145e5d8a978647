"""The thin encoder of small videos: its size, its shapes, and what stage 2 fine-tunes of it."""

import pytest
import torch

from models import encoders
from models.encoders.thin import Thin, shares_of
from orchestrator.plan.recipes import HEADS

pytestmark = pytest.mark.usefixtures("one_thread", "seeded")


@pytest.mark.parametrize("name", ["thin", "thin-depth"])
def test_its_size_and_shapes(name: str) -> None:
    encoder = encoders.build(name, encoders.settings_of(name, {})).eval()
    assert isinstance(encoder, Thin) and sum(p.numel() for p in encoder.parameters()) == 291_984
    x, length = torch.zeros(2, 8, 32, 32, 3, dtype=torch.uint8), torch.tensor([8, 8])
    with torch.no_grad():
        assert encoder.trunk(x, length, len(encoder.layers)).shape == (2, 128, 2, 4, 4)
        assert encoder(x, length).shape == (2, 128)


def test_parts_are_averaged_on_their_own_and_tell_when_and_where() -> None:
    encoder = Thin(0.1, "fp32", (2, 2, 1)).eval()
    x, length = torch.randint(0, 256, (2, 16, 32, 64, 3), dtype=torch.uint8), torch.tensor([16, 16])
    with torch.no_grad():
        features = encoder.trunk(x, length, len(encoder.layers))  # (2, 128, 4, 4, 8)
        found = encoder(x, length).reshape(2, 128, 2, 2)
        assert torch.equal(encoder.sequence(features, len(encoder.layers))[..., 0], encoder(x, length))
    early_above = features[:, :, :2, :2].mean(dim=(2, 3, 4))
    torch.testing.assert_close(found[:, :, 0, 0], early_above)
    torch.testing.assert_close(found.mean(dim=(2, 3)), features.mean(dim=(2, 3, 4)))


@pytest.mark.parametrize(
    ("steps", "parts", "expected"),
    [
        (4, 2, [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]]),
        (3, 2, [[2 / 3, 1 / 3, 0], [0, 1 / 3, 2 / 3]]),
        (1, 2, [[1.0], [1.0]]),
    ],
)
def test_a_step_on_an_edge_counts_in_both_parts(steps: int, parts: int, expected: list[list[float]]) -> None:
    torch.testing.assert_close(shares_of(steps, parts), torch.tensor(expected))


def test_no_part_is_refused() -> None:
    with pytest.raises(ValueError, match=r"parts \(4, 0, 3\): at least one"):
        Thin(0.1, "fp32", (4, 0, 3))


def test_stage_2_fine_tunes_of_it_what_it_does_of_s3d() -> None:
    assert encoders.ENCODERS["thin"].blocks.keys() < encoders.BLOCKS.keys()
    for modality, name in (("video", "thin"), ("depth", "thin-depth")):
        places = [encoders.ENCODERS[name].blocks[block] for block in HEADS["fusion"].finetuned[modality]]
        assert places == [2, 3]

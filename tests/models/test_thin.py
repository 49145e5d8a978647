"""The thin encoder of small videos: its size, its shapes, and what stage 2 fine-tunes of it."""

import pytest
import torch

from models import encoders
from models.encoders.thin import Thin
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


def test_stage_2_fine_tunes_of_it_what_it_does_of_s3d() -> None:
    assert encoders.ENCODERS["thin"].blocks.keys() < encoders.BLOCKS.keys()
    for modality, name in (("video", "thin"), ("depth", "thin-depth")):
        places = [encoders.ENCODERS[name].blocks[block] for block in HEADS["fusion"].finetuned[modality]]
        assert places == [2, 3]

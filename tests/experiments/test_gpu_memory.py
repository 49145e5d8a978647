"""The memory of a clip, by fake tensors: against what real tensors keep, and against the table that is kept."""

import torch

from experiments.gpu_memory import measure
from models import encoders
from orchestrator.cluster.memory import table


def kept(name: str, clips: int, frames: int, size: int) -> int:
    """Bytes that a real forward pass keeps for the backward pass, less weights."""
    encoder = encoders.build(name, encoders.settings_of(name, {}))
    weights = {value.untyped_storage().data_ptr() for value in (*encoder.parameters(), *encoder.buffers())}
    found: dict[int, int] = {}

    def keep(value: torch.Tensor) -> torch.Tensor:
        storage = value.untyped_storage()
        if storage.data_ptr() not in weights:
            found[storage.data_ptr()] = storage.nbytes()
        return value

    x, length = torch.zeros(clips, frames, size, size, 3, dtype=torch.uint8), torch.full((clips,), frames)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        out = encoder(x, length)
    assert out.requires_grad
    return sum(found.values())


def test_fake_tensors_take_what_real_ones_keep_and_a_little_more() -> None:
    """The rest are gradients of what is kept, a few at a time."""
    real, fake = kept("i3d", 2, 16, 64) / 2, measure("i3d", "fp32", 0, 2, 16, 64)
    assert 0.8 * fake["train"] < real < fake["train"]
    assert 0 < fake["forward"] < 0.4 * fake["train"]


def test_the_table_is_of_the_networks_as_they_are() -> None:
    of = table()["i3d"]
    found = measure("i3d", "fp32", 14, 1, of["frames"], of["size"])
    assert found == {what: of["fp32"][what][14] for what in ("train", "forward")}

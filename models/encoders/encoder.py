"""Encoder: what stage 1 trains and stage 2 fuses. Layers that can be cut in a frozen trunk and a top.

B clips, L steps, W width. A sequence has its channels in the second dimension and its steps in the third.
"""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn


def inside(steps: int, length_B: Tensor) -> Tensor:
    """(B, steps): whether a step lies before its clip's length."""
    return torch.arange(steps, device=length_B.device)[None] < length_B[:, None]


def mask_after(x: Tensor, length_B: Tensor) -> Tensor:
    """Zero in the second dimension from each clip's length on."""
    true = inside(x.shape[1], length_B)
    return x * true.reshape(*true.shape, *[1] * (x.dim() - 2))


def steps_of(length_B: Tensor, before: int, after: int) -> Tensor:
    """How many of `after` steps are of the true ones where `before` steps became so many; those in part are."""
    return (length_B * after + before - 1) // before


class Encoder(nn.Module):
    """A modality's input (B, L, ...) and its true lengths (B,) -> embedding (B, width).

    A subclass gives its layers, whose output is (B, width, L', ...), and may override how its input is normalised and
    how steps are pooled. `mean` and `std` are over the training clips' true values, in the unit of `Modality.values`.
    """

    mean: Tensor
    std: Tensor
    keeps_trunk: ClassVar[bool] = False
    """Whether what its frozen layers give is worth keeping in memory from epoch to epoch."""

    rounds: bool = True
    """Whether what blocks that never train give is rounded to float16, as trunk shards hold it."""

    def __init__(self, channels: int, layers: nn.Sequential, width: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("std", torch.ones(channels))
        self.layers = layers
        self.width = width

    def normalise(self, x: Tensor, length_B: Tensor) -> Tensor:
        """(B, L, C) -> (B, C, L). Padding, which is what lies after a length or is NaN, becomes zero, the mean."""
        x = mask_after(((x - self.mean) / self.std).nan_to_num(nan=0.0), length_B)
        return x.transpose(1, 2)

    def trunk(self, x: Tensor, length_B: Tensor, before: int) -> Tensor:
        """The output of the layers before `before`."""
        return self.through(self.normalise(x, length_B), slice(before))

    @torch.no_grad()
    def stored(self, x: Tensor, length_B: Tensor, before: int) -> tuple[Tensor, Tensor]:
        """The same as trunk shards hold it, in float16, and how many of its steps are true."""
        made = self.trunk(x, length_B, before)
        made = made.half() if self.rounds else made
        return made, steps_of(length_B, x.shape[1], made.shape[2])

    def through(self, x: Tensor, layers: slice) -> Tensor:
        for layer in list(self.layers)[layers]:
            x = layer(x)
        return x

    def sequence(self, features: Tensor, start: int) -> Tensor:
        """(B, W, L): the embedding before it is pooled over time, from the trunk's output."""
        return self.through(features, slice(start, None))

    def top(self, features: Tensor, start: int) -> Tensor:
        """(B, W): the rest, from the trunk's output to the embedding."""
        return self.sequence(features, start).amax(dim=2)

    def forward(self, x: Tensor, length_B: Tensor) -> Tensor:
        return self.top(self.normalise(x, length_B), 0)

    def nothing(self, x: Tensor) -> Tensor:
        """An input of the same shape that shows nothing, from which attributions are counted."""
        return self.mean.expand_as(x)

    def load_weights(self, state: dict[str, Any]) -> None:
        """Pretrained ones. Raises ValueError where they are another network's."""
        raise ValueError(f"there are no pretrained weights of {type(self).__name__}.")

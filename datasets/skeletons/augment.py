"""What stored skeletons become before a network sees them: resampled, normalised and, in training, varied.

Draws come from torch's global generator, which `orchestrator/worker/train.py` seeds for each epoch.
Shapes: B clips, S samples, J joints, D axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from datasets.signals import augment

if TYPE_CHECKING:
    from datasets.modalities.skeleton import Augmentation

LEAST_SHARE = 0.1
LEAST_TORSO = 1e-6  # of what is no skeleton: the padding of a recording that is missing


def resample(x_BSJD: Tensor, length_B: Tensor, samples: int, how: Augmentation | None) -> Tensor:
    """Each clip's true samples at so many moments, evenly spaced from its first sample to its last."""
    flat = augment.resample(x_BSJD.flatten(2), length_B, samples, how)
    return flat.unflatten(2, x_BSJD.shape[2:])


def normalise(x_BSJD: Tensor, origin: Sequence[int], top: Sequence[int]) -> Tensor:
    """Positions counted from `origin` in the first sample, in multiples of the torso's length in the first sample.

    The torso goes from the mean of the joints `origin` to that of the joints `top`. This is what CMC-CMKM (Brinzea et
    al., 2022) does on UTD-MHAD. Where none of the joints of one end was seen, or the torso points at the camera of an
    image and is hardly as long as LEAST_SHARE of it, the length is the standard distance of all joints from the origin.
    """
    first_BJD = x_BSJD[:, 0]
    ends = [first_BJD[:, list(joints)] for joints in (origin, top)]
    low_BD, high_BD = (_mean(joints, first_BJD) for joints in ends)
    seen_B = torch.stack([~joints.isnan().all(dim=2).all(dim=1) for joints in ends]).all(dim=0)
    spread_B = (first_BJD - low_BD[:, None]).square().sum(dim=2).nanmean(dim=1).nan_to_num(nan=0.0).sqrt()
    torso_B = (high_BD - low_BD).norm(dim=1)
    torso_B = torch.where(seen_B & (torso_B > LEAST_SHARE * spread_B), torso_B, spread_B).clamp(min=LEAST_TORSO)
    return (x_BSJD - low_BD[:, None, None]) / torso_B[:, None, None, None]


def _mean(joints_BND: Tensor, all_BJD: Tensor) -> Tensor:
    """(B, D): of joints that were seen, of all joints where none of these was."""
    mean = joints_BND.nanmean(dim=1)
    return torch.where(mean.isnan(), all_BJD.nanmean(dim=1), mean).nan_to_num(nan=0.0)


def vary(x_BSJD: Tensor, how: Augmentation) -> Tensor:
    """The same movement by a person of another size who stands turned a little, seen with a little noise.

    Nothing is mirrored: a swipe to the left would become one to the right.
    """
    count, axes = len(x_BSJD), x_BSJD.shape[3]
    if how.rotation:
        x_BSJD = torch.einsum("bsjd,bed->bsje", x_BSJD, rotations(count, how.rotation, axes).to(x_BSJD))
    if how.scale:
        x_BSJD = x_BSJD * (how.scale * torch.randn(count, 1, 1, 1)).exp().to(x_BSJD)
    if how.shear:
        shear = how.shear * torch.randn(count, axes, axes) * (1 - torch.eye(axes)) + torch.eye(axes)
        x_BSJD = torch.einsum("bsjd,bed->bsje", x_BSJD, shear.to(x_BSJD))
    if how.noise:
        x_BSJD = x_BSJD + how.noise * torch.randn(x_BSJD.shape).to(x_BSJD)
    return x_BSJD


def rotations(count: int, degrees: float, axes: int) -> Tensor:
    """(B, D, D): about the vertical, which is the second of three axes; of an image's two axes within the image."""
    angle_B = torch.deg2rad(degrees * torch.randn(count))
    cos, sin = angle_B.cos(), angle_B.sin()
    zero, one = torch.zeros_like(cos), torch.ones_like(cos)
    rows = [cos, -sin, sin, cos] if axes == 2 else [cos, zero, sin, zero, one, zero, -sin, zero, cos]
    return torch.stack(rows, dim=1).reshape(count, axes, axes)

"""VSKD's encoder of an accelerometer: images of its axes, then ResNet-18. B clips, C channels, S samples."""

import torch
from torch import Tensor, nn
from torchvision.models import resnet18

from models.encoders.encoder import Encoder


class GramianResNet(Encoder):
    """(B, C, S) -> (B, 300, 1), by a picture of S x S pixels with a channel for each of three axes.

    VSKD (Ni et al., ICASSP 2022, arXiv 2112.01849, github.com/jiany-ctrl/Crossmodal-KD-for-Vision-to-Sensor-HAR) shows
    a ResNet-18 the Gramian angular summation field of the accelerometer alone. `first` is its first channel.
    """

    def __init__(self, channels: int, first: int, width: int):
        resnet = resnet18(num_classes=width)
        super().__init__(channels, nn.Sequential(Gramian(first), resnet, nn.ReLU(), nn.Unflatten(1, (width, 1))), width)


class Gramian(nn.Module):
    """(B, C, S) -> (B, 3, S, S) from 0 to 1: cos(acos x_m + acos x_n) of each axis, of which a clip's values are first
    scaled to [-1, 1] (Wang and Oates, IJCAI 2015)."""

    def __init__(self, first: int):
        super().__init__()
        self.first = first

    def forward(self, x_BCS: Tensor) -> Tensor:
        x = 2 * scaled(x_BCS[:, self.first : self.first + 3], (2,)) - 1
        other = (1 - x.square()).clamp(min=0).sqrt()
        field = x[..., :, None] * x[..., None, :] - other[..., :, None] * other[..., None, :]
        return scaled(field, (2, 3))


def scaled(x: Tensor, over: tuple[int, ...]) -> Tensor:
    """From 0 to 1 by the least and the greatest of these dimensions; what is constant becomes 0."""
    low, high = x.amin(over, keepdim=True), x.amax(over, keepdim=True)
    return (x - low) / torch.where(high > low, high - low, 1.0)

"""Self-attention over both embedding sequences together, which the paper's conclusion names as its next step.

B clips, C channels of an encoder, L steps of its sequence, W width.
"""

import math

import torch
from torch import Tensor, nn

HEADS = 4
DROPOUT = 0.1


class JointAttention(nn.Module):
    """imu_BCL and video_BCL, of different C and L -> (B, 2 W): what each has become beside the other, pooled."""

    def __init__(self, imu_channels: int, video_channels: int, width: int):
        super().__init__()
        self.width = 2 * width
        self.imu = nn.Linear(imu_channels, width)
        self.video = nn.Linear(video_channels, width)
        self.modality = nn.Parameter(torch.zeros(2, width))
        self.layer = nn.TransformerEncoderLayer(width, HEADS, 2 * width, DROPOUT, batch_first=True, norm_first=True)

    def forward(self, imu_BCL: Tensor, video_BCL: Tensor) -> Tensor:
        parts = [self.imu(imu_BCL.transpose(1, 2)), self.video(video_BCL.transpose(1, 2))]
        parts = [part + positions(part) + own for part, own in zip(parts, self.modality, strict=True)]
        joint_BLW = self.layer(torch.cat(parts, dim=1))
        imu, video = joint_BLW.split([part.shape[1] for part in parts], dim=1)
        return torch.cat([imu.mean(dim=1), video.mean(dim=1)], dim=1)


def positions(sequence_BLW: Tensor) -> Tensor:
    """(L, W): sines and cosines over the share of the clip that a step lies at, so that both sequences agree."""
    length, width = sequence_BLW.shape[1:]
    at = torch.linspace(0, 1, length, device=sequence_BLW.device)[:, None] * 100
    rates = torch.exp(torch.arange(0, width, 2, device=at.device) * (-math.log(1000.0) / width))
    return torch.cat([(at * rates).sin(), (at * rates).cos()], dim=1)[:, :width]

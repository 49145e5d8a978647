"""Encoders of skeletons. B clips, S samples, J joints, D axes, W width."""

import torch
from torch import Tensor, nn

from models.encoders.encoder import Encoder, mask_after


class SkeletonEncoder(Encoder):
    """skeleton_BSJD -> embedding (B, W). Its layers take positions (B, D, S, J) and give (B, W, L) or (B, W, L, 1)."""

    def normalise(self, x: Tensor, length_B: Tensor) -> Tensor:
        """All axes are divided by the same number, so that no direction counts for more than another."""
        x = ((x - self.mean) / self.std.square().mean().sqrt()).nan_to_num(nan=0.0)
        return mask_after(x, length_B).permute(0, 3, 1, 2)

    def sequence(self, features: Tensor, start: int) -> Tensor:
        made = self.through(features, slice(start, None))
        return made.amax(dim=3) if made.dim() == 4 else made


def velocities(x_BDSJ: Tensor) -> Tensor:
    """Each sample less the one before; the first has none."""
    return torch.cat([torch.zeros_like(x_BDSJ[:, :, :1]), x_BDSJ.diff(dim=2)], dim=2)


class CoOccurrence(SkeletonEncoder):
    """Two streams, positions and velocities, in which joints become channels (Li et al., "Co-occurrence feature
    learning from skeleton data", IJCAI 2018), with the widths that CMC-CMKM (Brinzea et al., 2022) has:
    (B, D, S, J) -> (B, 256, (S - 32) / 16, W')."""

    def __init__(self, channels: int, joints: int, dropout: float):
        layers = nn.Sequential(
            Streams(channels, joints), _block(64, 128), nn.Dropout2d(dropout), _block(128, 256), nn.Dropout2d(dropout)
        )
        super().__init__(channels, layers, 256)


class Streams(nn.Module):
    """(B, D, S, J) -> (B, 64, S', W'): positions and velocities side by side in the last dimension."""

    def __init__(self, axes: int, joints: int):
        super().__init__()
        self.positions, self.velocities = Stream(axes, joints), Stream(axes, joints)

    def forward(self, x_BDSJ: Tensor) -> Tensor:
        return torch.cat([self.positions(x_BDSJ), self.velocities(velocities(x_BDSJ))], dim=3)


class Stream(nn.Module):
    def __init__(self, axes: int, joints: int):
        super().__init__()
        self.points = nn.Sequential(
            nn.Conv2d(axes, 64, 1), nn.BatchNorm2d(64), nn.ReLU(),
            nn.Conv2d(64, 32, (3, 1)), nn.BatchNorm2d(32),
        )  # fmt: skip
        self.together = nn.Sequential(
            nn.Conv2d(joints, 32, 3), nn.BatchNorm2d(32), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3), nn.BatchNorm2d(64), nn.MaxPool2d(2),
        )  # fmt: skip

    def forward(self, x_BDSJ: Tensor) -> Tensor:
        points_BFSJ = self.points(x_BDSJ)
        return self.together(points_BFSJ.permute(0, 3, 2, 1))  # joints are the channels now


def _block(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3), nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2))


class TemporalConvolution(SkeletonEncoder):
    """Blocks of convolution over time, batch normalisation, ReLU and dropout on positions and velocities of all joints
    together; each block but the last halves the samples: (B, D, S, J) -> (B, W, S / 4)."""

    def __init__(self, channels: int, joints: int, filters: tuple[int, ...], kernels: tuple[int, ...], dropout: float):
        layers: list[nn.Module] = [Moving()]
        width = 2 * channels * joints
        for number, (count, kernel) in enumerate(zip(filters, kernels, strict=True), 1):
            stride = 1 if number == len(filters) else 2
            convolution = nn.Conv1d(width, count, kernel, stride, padding=kernel // 2)
            layers.append(nn.Sequential(convolution, nn.BatchNorm1d(count), nn.ReLU(), nn.Dropout(dropout)))
            width = count
        super().__init__(channels, nn.Sequential(*layers), width)


class Moving(nn.Module):
    """(B, D, S, J) -> (B, 2 D J, S): positions and velocities."""

    def forward(self, x_BDSJ: Tensor) -> Tensor:
        return torch.cat([x_BDSJ, velocities(x_BDSJ)], dim=1).transpose(2, 3).flatten(1, 2)

"""The IMU encoder and its classifier (paper section 3.1, figure 1 right).

B clips, S samples, C channels, L steps of W channels, K classes.
"""

import torch
from torch import Tensor, nn

from models.parts import IMU, part
from models.spec import ImuModel


def inside(steps: int, length_B: Tensor) -> Tensor:
    """(B, steps): whether a step lies before its clip's length."""
    return torch.arange(steps, device=length_B.device)[None] < length_B[:, None]


def mask_after(x: Tensor, length_B: Tensor) -> Tensor:
    """Zero in the second dimension from each clip's length on."""
    true = inside(x.shape[1], length_B)
    return x * true.reshape(*true.shape, *[1] * (x.dim() - 2))


class Convolutions(nn.Sequential):
    """The paper's: (B, C, S) -> (B, 96, S - 45)."""

    def __init__(self, spec: ImuModel):
        layers: list[nn.Module] = []
        width = spec.channels
        for filters, kernel in zip(spec.filters, spec.kernels, strict=True):
            layers += [nn.Conv1d(width, filters, kernel), nn.Dropout(spec.dropout), nn.ReLU()]
            width = filters
        super().__init__(*layers)
        self.width = width


class ImuEncoder(nn.Module):
    """imu_BSC float32 -> embedding (B, W), 96 of the paper's. Padding is zero after normalisation, so zero is the mean.

    Padding is what lies after a clip's length, and NaN: a sensor that has no sample there while others have.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, spec: ImuModel):
        super().__init__()
        self.register_buffer("mean", torch.zeros(spec.channels))
        self.register_buffer("std", torch.ones(spec.channels))
        self.blocks = part(IMU[spec.encoder])(spec)
        self.width: int = self.blocks.width

    def sequence(self, imu_BSC: Tensor, length_B: Tensor) -> Tensor:
        """(B, W, L): the embedding before it is pooled over time."""
        x = mask_after(((imu_BSC - self.mean) / self.std).nan_to_num(nan=0.0), length_B)
        return self.blocks(x.transpose(1, 2))

    def forward(self, imu_BSC: Tensor, length_B: Tensor) -> Tensor:
        return self.sequence(imu_BSC, length_B).amax(dim=2)


class ImuClassifier(nn.Module):
    """Stage 1 of the inertial side: a batch with imu and imu_length -> logits_BK."""

    def __init__(self, spec: ImuModel, classes: int):
        super().__init__()
        self.encoder = ImuEncoder(spec)
        width = self.encoder.width
        self.head = nn.Sequential(nn.Linear(width, spec.hidden), nn.ReLU(), nn.Linear(spec.hidden, classes))

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        return self.head(self.encoder(batch["imu"], batch["imu_length"]))

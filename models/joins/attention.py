"""Self-attention over all embedding sequences together, which the paper's conclusion names as its next step.

B clips, C channels of an encoder, L steps of its sequence, W width, N modalities.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.encoders.encoder import inside

HEADS = 4
DROPOUT = 0.1


class Attention(nn.Module):
    """Sequences (B, C, L) of different C and L, and their true steps -> (B, N W): what each has become, pooled.

    Steps of padding are neither attended to nor pooled; of a modality that is missing nothing is left but zeros.
    """

    def __init__(self, widths: Sequence[int], width: int):
        super().__init__()
        self.width = len(widths) * width
        self.project = nn.ModuleList(nn.Linear(channels, width) for channels in widths)
        self.modality = nn.Parameter(torch.zeros(len(widths), width))
        self.layer = nn.TransformerEncoderLayer(width, HEADS, 2 * width, DROPOUT, batch_first=True, norm_first=True)

    def forward(self, sequences: Sequence[Tensor], steps: Sequence[Tensor]) -> Tensor:
        parts = [project(x_BCL.transpose(1, 2)) for project, x_BCL in zip(self.project, sequences, strict=True)]
        true = [inside(part.shape[1], count) for part, count in zip(parts, steps, strict=True)]
        each = zip(parts, steps, self.modality, strict=True)
        parts = [part + positions(part, count) + own for part, count, own in each]
        seen_BL = torch.cat(true, dim=1)
        seen_BL = seen_BL | ~seen_BL.any(dim=1, keepdim=True)  # without any there is nothing to attend to but padding
        joint_BLW = self.layer(torch.cat(parts, dim=1), src_key_padding_mask=~seen_BL)
        became = joint_BLW.split([part.shape[1] for part in parts], dim=1)
        return torch.cat([mean(x, of) for x, of in zip(became, true, strict=True)], dim=1)


def mean(sequence_BLW: Tensor, true_BL: Tensor) -> Tensor:
    """(B, W): over the true steps, zeros where there are none."""
    count_B1 = true_BL.sum(dim=1, keepdim=True).clamp(min=1)
    return torch.where(true_BL[:, :, None], sequence_BLW, 0.0).sum(dim=1) / count_B1


def positions(sequence_BLW: Tensor, steps_B: Tensor) -> Tensor:
    """(B, L, W): sines and cosines over the share of the true clip that a step lies at: all sequences agree."""
    length, width = sequence_BLW.shape[1:]
    steps_L = torch.arange(length, device=sequence_BLW.device)
    at_BL1 = (steps_L / (steps_B[:, None] - 1).clamp(min=1))[:, :, None] * 100
    rates = torch.exp(torch.arange(0, width, 2, device=steps_L.device) * (-math.log(1000.0) / width))
    return torch.cat([(at_BL1 * rates).sin(), (at_BL1 * rates).cos()], dim=2)[:, :, :width]

"""MuMu's attention: a first mixture of the modalities asks for a second one.

Islam and Iqbal, "MuMu: Cooperative Multitask Learning-based Guided Multimodal Fusion" (AAAI 2022), as two independent
programs agree on it (`models/methods/mumu.py`). B clips, C channels of an encoder, L steps of its sequence, W width, N
modalities.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.encoders.encoder import inside

DROPOUT = 0.4


class Guided(nn.Module):
    """Sequences (B, C, L) and their true steps -> (B, 2 W): the guided mixture, then the mixture that guides it.

    A modality that is missing has no part in either, unless all are.
    """

    def __init__(self, widths: Sequence[int], width: int):
        super().__init__()
        self.width = 2 * width
        self.project = nn.ModuleList(nn.Identity() if c == width else nn.Linear(c, width) for c in widths)
        self.step = nn.ModuleList(nn.Linear(width, 1) for _ in widths)
        self.after = nn.ModuleList(_last(width) for _ in widths)
        self.first = nn.Linear(width, 1)
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.last = _last(width)

    def forward(self, sequences: Sequence[Tensor], steps: Sequence[Tensor]) -> Tensor:
        parts = [project(x_BCL.transpose(1, 2)) for project, x_BCL in zip(self.project, sequences, strict=True)]
        pooled = [
            after(mixed(weigh(x)[..., 0], x, inside(x.shape[1], n)))
            for weigh, after, x, n in zip(self.step, self.after, parts, steps, strict=True)
        ]
        x_BNW, there_BN = torch.stack(pooled, dim=1), torch.stack([n > 0 for n in steps], dim=1)
        guide_BW = mixed(self.first(x_BNW)[..., 0], x_BNW, there_BN)
        asked_BN = (self.key(x_BNW) @ self.query(guide_BW)[..., None])[..., 0] / math.sqrt(x_BNW.shape[2])
        guided_BW = self.last(self.out(mixed(asked_BN, self.value(x_BNW), there_BN)))
        return torch.cat([guided_BW, guide_BW], dim=1)


def mixed(score_BL: Tensor, x_BLW: Tensor, true_BL: Tensor) -> Tensor:
    """(B, W): the mean weighted by a softmax over what is true, over all where nothing is."""
    seen_BL = true_BL | ~true_BL.any(dim=1, keepdim=True)
    return (score_BL.masked_fill(~seen_BL, -torch.inf).softmax(dim=1)[..., None] * x_BLW).sum(dim=1)


def _last(width: int) -> nn.Module:
    return nn.Sequential(nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(DROPOUT))

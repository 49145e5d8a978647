"""HAMLET's attention: within each modality over its segments, then over the modalities.

Islam and Iqbal, "HAMLET: A Hierarchical Multimodal Attention-based Human Activity Recognition Algorithm" (IROS 2020,
arXiv 2008.01148), section III: one head and two, neither positions nor residuals. B clips, C channels of an encoder, L
steps of its sequence, W width, N modalities.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.encoders.encoder import inside

DROPOUT = 0.3  # the middle of the paper's 0.2 to 0.4


class Hierarchical(nn.Module):
    """Sequences (B, C, L) and their true steps -> (B, N W). Of a modality that is missing the embedding is zero."""

    def __init__(self, widths: Sequence[int], width: int):
        super().__init__()
        self.width = len(widths) * width
        self.project = nn.ModuleList(nn.Identity() if c == width else nn.Linear(c, width) for c in widths)
        self.within = nn.ModuleList(nn.MultiheadAttention(width, 1, batch_first=True) for _ in widths)
        self.after = nn.Sequential(nn.ReLU(), nn.Dropout(DROPOUT))
        self.between = nn.MultiheadAttention(width, 2, batch_first=True)
        self.last = nn.Sequential(nn.BatchNorm1d(self.width), nn.ReLU(), nn.Dropout(DROPOUT))

    def forward(self, sequences: Sequence[Tensor], steps: Sequence[Tensor]) -> Tensor:
        parts = [project(x_BCL.transpose(1, 2)) for project, x_BCL in zip(self.project, sequences, strict=True)]
        found = [summed(layer, x, n) for layer, x, n in zip(self.within, parts, steps, strict=True)]
        x_BNW = torch.stack([self.after(x_BW) for x_BW in found], dim=1)
        return self.last(self.between(x_BNW, x_BNW, x_BNW, need_weights=False)[0].flatten(1))


def summed(layer: nn.Module, x_BLW: Tensor, steps_B: Tensor) -> Tensor:
    """(B, W): what attention makes of the true steps, summed over them."""
    true_BL = inside(x_BLW.shape[1], steps_B)
    seen_BL = true_BL | ~true_BL.any(dim=1, keepdim=True)  # without any there is nothing to attend to but padding
    became = layer(x_BLW, x_BLW, x_BLW, key_padding_mask=~seen_BL, need_weights=False)[0]
    return torch.where(true_BL[:, :, None], became, 0.0).sum(dim=1)

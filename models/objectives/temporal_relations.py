"""Classification by relations between moments of a clip (TRN: Zhou, Andonian, Oliva and Torralba, ECCV 2018).

B clips, L moments, N moments that are looked at, W width, K classes.
"""

from typing import Any

import torch
from torch import Tensor, nn

from models.network import Batch
from models.objectives.classification import Classification

MOMENTS = 8
DRAWN = 3  # sets of moments in a training step, of each size


class TemporalRelations(Classification):
    """Multi-scale TRN on the sequence of one modality: 8 of its true moments at even distances are looked at.

    `HeadSpec.hidden` is the width of the MLPs.
    """

    def __init__(self, spec: Any, made: Any, classes: int, **given: Any):
        super().__init__(spec, made, classes, **given)
        [encoder] = made.values()
        self.head = Relations(encoder.width, spec.head.hidden, classes)  # pyright: ignore[reportAttributeAccessIssue]
        self.train()

    def logits(self, batch: Batch) -> Tensor:
        [modality] = self.encoders
        return self.head(looked_at(*self.sequence(batch, modality)))


def looked_at(sequence_BWL: Tensor, steps_B: Tensor) -> Tensor:
    """(B, 8, W): the middle one of each of 8 equal parts of the true steps; of less than 8 some come several times."""
    middle = (torch.arange(MOMENTS, device=steps_B.device) + 0.5) / MOMENTS
    at_BN = (steps_B[:, None] * middle).long()
    return sequence_BWL.gather(2, at_BN[:, None].expand(-1, sequence_BWL.shape[1], -1)).transpose(1, 2)


class Relations(nn.Module):
    """(B, N, W) -> (B, K): for each number of moments from N to 2 the sum over 3 sets of them of what an MLP says.

    In training the sets are drawn anew in each step. In evaluation the sum is the one that draws have on average, over
    all sets of this size, so that a clip always gets the same logits.
    """

    def __init__(self, width: int, hidden: int, classes: int):
        super().__init__()
        sizes = range(MOMENTS, 1, -1)
        self.sets = [torch.combinations(torch.arange(MOMENTS), size) for size in sizes]
        self.layers = nn.ModuleList(
            nn.Sequential(nn.ReLU(), nn.Linear(size * width, hidden), nn.ReLU(), nn.Linear(hidden, classes))
            for size in sizes
        )

    def forward(self, x_BNW: Tensor) -> Tensor:
        said = []
        for layer, sets in zip(self.layers, self.sets, strict=True):
            used = sets.to(x_BNW.device)
            if self.training:
                used = used[torch.randperm(len(sets), device=x_BNW.device)[:DRAWN]]
            said.append(min(DRAWN, len(sets)) * layer(x_BNW[:, used].flatten(2)).mean(dim=1))
        return torch.stack(said).sum(dim=0)

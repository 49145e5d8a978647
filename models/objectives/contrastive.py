"""Contrastive objectives: embeddings of one clip are near one another, and far from those of the other clips.

Over several workers the other clips are those of all workers, so that a run of several computes what a run of one does.
B clips of this worker, N clips of all, W width.
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.nn.functional import all_gather
from torch.nn import functional as F

from models.network import Batch, Network

TEMPERATURE = 0.1


class Contrastive(Network):
    """Between the modalities of a clip, each pair of them (CMC: Tian et al., ECCV 2020)."""

    def __init__(self, spec: Any, made: Any, classes: int, **given: Any):
        super().__init__(spec, made, classes, **given)
        self.project = nn.ModuleDict({name: projection(e.width, spec.head.hidden) for name, e in made.items()})
        self.train()

    def projected(self, batch: Batch, modality: str) -> Tensor:
        """(B, W) of length 1."""
        return F.normalize(self.project[modality](self.embedding(batch, modality)), dim=1)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        found = [self.projected(batch, modality) for modality in self.encoders]
        pairs = [(a, b) for i, a in enumerate(found) for b in found[i + 1 :]]
        return {"loss": torch.stack([both_ways(a, b) for a, b in pairs]).sum(0) / len(pairs)}


class SimCLR(Contrastive):
    """Between two variations of a clip of one modality, the second named `imu:2` (Chen et al., ICML 2020)."""

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        [modality] = self.encoders
        second = {name.removesuffix(":2"): values for name, values in batch.items() if name.endswith(":2")}
        return {"loss": both_ways(self.projected(batch, modality), self.projected(second, modality))}


def projection(width: int, hidden: int | None) -> nn.Module:
    """The MLP whose output is compared; the encoder's embedding before it is what is kept."""
    return nn.Sequential(nn.Linear(width, hidden or width), nn.ReLU(), nn.Linear(hidden or width, 128))


def both_ways(a_BW: Tensor, b_BW: Tensor) -> Tensor:
    """InfoNCE, summed over this worker's clips: each is to find its own among the others of all workers."""
    a_NW, b_NW, first = gathered(a_BW), gathered(b_BW), before_here(len(a_BW))
    own_B = first + torch.arange(len(a_BW), device=a_BW.device)
    there = F.cross_entropy(a_BW @ b_NW.T / TEMPERATURE, own_B, reduction="sum")
    back = F.cross_entropy(b_BW @ a_NW.T / TEMPERATURE, own_B, reduction="sum")
    return (there + back) / 2


def gathered(x_BW: Tensor) -> Tensor:
    """(N, W): the embeddings of all workers by rank, with their gradients. Workers' shares may differ in size."""
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return x_BW
    sizes = sizes_of_all(len(x_BW), x_BW.device)
    padded = F.pad(x_BW, (0, 0, 0, max(sizes) - len(x_BW)))
    return torch.cat([part[:size] for part, size in zip(all_gather(padded), sizes, strict=True)])


def before_here(count: int) -> int:
    """How many clips the workers of lower rank have."""
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return 0
    device = torch.device("cuda") if dist.get_backend() == "nccl" else torch.device("cpu")
    return sum(sizes_of_all(count, device)[: dist.get_rank()])


def sizes_of_all(count: int, device: torch.device) -> list[int]:
    mine = torch.tensor([count], device=device)
    found = [torch.zeros_like(mine) for _ in range(dist.get_world_size())]
    dist.all_gather(found, mine)
    return [int(size) for size in found]

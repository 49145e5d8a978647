"""Contrastive objectives: embeddings of one clip are near one another, and far from those of the other clips.

Over several workers the other clips are those of all workers, so that a run of several computes what a run of one does.
A clip that lacks one of the modalities, whose input has no length, makes no pair and is nobody's other clip.
B clips of this worker, N clips of all, W width.
"""

from collections.abc import Mapping
from itertools import permutations
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.nn.functional import all_gather
from torch.nn import functional as F

from models.network import Batch, Network


class Contrastive(Network):
    """Between the modalities of a clip, each pair of them (CMC: Tian et al., ECCV 2020)."""

    def __init__(self, spec: Any, made: Any, classes: int, **given: Any):
        super().__init__(spec, made, classes, **given)
        self.project = nn.ModuleDict({name: projection(e.width, spec.head.hidden) for name, e in made.items()})
        self.train()

    def projected(self, batch: Batch, modality: str) -> Tensor:
        """(B, W) of length 1."""
        return F.normalize(self.project[modality](self.embedding(batch, modality)), dim=1)

    def there(self, batch: Batch) -> Tensor:
        """(B,): whether a clip lacks no modality."""
        lengths = [batch.get(f"{name}_trunk_length", batch.get(f"{name}_length")) for name in self.encoders]
        return torch.stack([length > 0 for length in lengths if length is not None]).all(dim=0)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        found = {name: self.projected(batch, name) for name in self.encoders}
        return {"loss": contrast(found, self.there(batch), self.spec.head.temperature)}


class SimCLR(Contrastive):
    """Between two variations of a clip of one modality, the second named `imu:2` (Chen et al., ICML 2020): NT-Xent."""

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        [modality] = self.encoders
        second = {name.removesuffix(":2"): values for name, values in batch.items() if name.endswith(":2")}
        found = {"first": self.projected(batch, modality), "second": self.projected(second, modality)}
        temperature = self.spec.head.temperature
        return {"loss": contrast(found, self.there(batch), temperature, within=temperature)}


def projection(width: int, hidden: int | None) -> nn.Module:
    """The MLP whose output is compared; the encoder's embedding before it is what is kept."""
    hidden = hidden or width
    return nn.Sequential(nn.Linear(width, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, 128))


def contrast(
    found: Mapping[str, Tensor], there_B: Tensor, temperature: float, within: float = 0.0,
    near: Mapping[str, Tensor] | None = None,
) -> Tensor:  # fmt: skip
    """InfoNCE, summed over this worker's clips that are there: the mean over all pairs of views, in both orders.

    `found` has embeddings (B, W) of length 1 by view. Of a clip's embedding in view a, N is the sum of exp(cosine /
    `temperature`) over the embeddings in view b that it is to find: its own, and those of the clips that `near[b]`
    (B, N) names. D is the same sum over all clips. With `within` above 0 the other clips' embeddings in view a enter
    with exp(cosine / `within`), to N those that `near[a]` names, to D all of them. The loss is -log(N / D).
    """
    everyone = {name: gathered(x_BW) for name, x_BW in found.items()}
    own_BN, lost_BN = others(there_B)
    none_BN, losses = torch.zeros_like(own_BN), []
    for a, b in permutations(found, 2):
        logits = [(found[a] @ everyone[b].T / temperature).masked_fill(lost_BN & ~own_BN, -torch.inf)]
        right = [own_BN | near[b] if near else own_BN]
        if within:
            logits += [(found[a] @ everyone[a].T / within).masked_fill(lost_BN | own_BN, -torch.inf)]
            right += [near[a] if near else none_BN]
        all_BM, right_BM = torch.cat(logits, dim=1), torch.cat(right, dim=1)
        losses.append(all_BM.logsumexp(dim=1) - all_BM.masked_fill(~right_BM, -torch.inf).logsumexp(dim=1))
    return (torch.stack(losses).mean(dim=0) * there_B).sum()


def others(there_B: Tensor) -> tuple[Tensor, Tensor]:
    """Of each clip of this worker which of all workers' clips it is itself, and which aren't there: (B, N) both."""
    there_N = gathered(there_B[:, None].float())[:, 0] > 0
    own = before_here(len(there_B)) + torch.arange(len(there_B), device=there_B.device)
    own_BN = own[:, None] == torch.arange(len(there_N), device=there_B.device)
    return own_BN, ~there_N.expand_as(own_BN)


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

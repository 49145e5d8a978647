"""CMC-CMKM: contrastive coding between modalities, with positives that each modality alone finds alike.

Brinzea, Khaertdinov and Asteriadis, "Contrastive Learning with Cross-Modal Knowledge Mining for Multimodal Human
Activity Recognition" (IJCNN 2022, arXiv 2205.10071). B clips of this worker, N clips of all, W width.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.network import Batch, Network
from models.objectives.contrastive import Contrastive, contrast, gathered, others

NEAREST = 1  # of the other clips of a batch, those that count as alike


class KnowledgeMining(Contrastive):
    """A parent `similar_imu` says which clips are alike by their IMU signals; it is frozen, BatchNorm included.

    The encoders themselves start anew. Alike are embeddings before the projection, by their cosine. The authors' code
    does not divide the cosines within a modality by the temperature, which is `HeadSpec.temperature_within` of 1.
    """

    def __init__(self, spec: Any, made: Any, classes: int, trained: set[str], parents: Mapping[str, Network]):
        super().__init__(spec, made, classes, trained=trained, parents={})
        self.similar = Frozen({name: parents[f"similar_{name}"] for name in made}).requires_grad_(False)
        self.train()

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        found = {name: self.projected(batch, name) for name in self.encoders}
        there_B, head = self.there(batch), self.spec.head
        near = {name: self.near(batch, name, there_B) for name in self.encoders}
        return {"loss": contrast(found, there_B, head.temperature, head.temperature_within, near)}

    @torch.no_grad()
    def near(self, batch: Batch, modality: str, there_B: Tensor) -> Tensor:
        """(B, N): which other clip is the nearest to each."""
        network = self.similar[modality]
        assert isinstance(network, Network)
        x_BW = F.normalize(network.embedding(batch, modality), dim=1)
        own_BN, lost_BN = others(there_B)
        cosine_BN = (x_BW @ gathered(x_BW).T).masked_fill(own_BN | lost_BN, -torch.inf)
        nearest_BK = cosine_BN.topk(min(NEAREST, cosine_BN.shape[1]), dim=1).indices
        return torch.zeros_like(own_BN).scatter(1, nearest_BK, True)


class Frozen(nn.ModuleDict):
    """In evaluation, always."""

    def train(self, mode: bool = True) -> "Frozen":
        return super().train(False)

"""Classification: stage 1 (paper sections 3.1, 3.2), and stage 2, which joins several embeddings (3.3).

B clips, K classes.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.joins import JOINS
from models.network import Batch, Network, head
from models.parts import part


class Classification(Network):
    """One embedding, or several joined, then a classifier, trained with cross-entropy."""

    def __init__(self, spec: Any, made: Any, classes: int, **given: Any):
        super().__init__(spec, made, classes, **given)
        widths = [encoder.width for encoder in made.values()]
        where = JOINS[spec.head.join] if len(widths) > 1 else None
        self.join: nn.Module | None = part(where)(widths, spec.head.hidden) if where else None
        width: Any = self.join.width if self.join else sum(widths)
        self.head = head(spec.head, width, classes)
        self.train()  # a fresh module counts as training all through, frozen BatchNorm included

    def encode(self, batch: Batch, modality: str) -> Batch:
        """With the sequence that the join takes, or the embedding."""
        made = super().encode(batch, modality)
        if self.join:
            sequence, steps = self.sequence(made, modality)
            return made | {f"{modality}_sequence": sequence, f"{modality}_sequence_length": steps}
        return made | {f"{modality}_embedding": self.embedding(made, modality)}

    def joined(self, batch: Batch) -> Tensor:
        """(B, W): what the classifier sees."""
        if self.join:
            sequences, steps = zip(*(self.sequence(batch, modality) for modality in self.encoders), strict=True)
            return self.join(sequences, steps)
        embeddings = [self.embedding(batch, modality) for modality in self.encoders]
        return torch.cat(embeddings, dim=1) if len(embeddings) > 1 else embeddings[0]

    def logits(self, batch: Batch) -> Tensor:
        return self.head(self.joined(batch))

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        logits_BK = self.logits(batch)
        smoothing = self.spec.head.label_smoothing
        loss = F.cross_entropy(logits_BK, batch["label"], reduction="sum", label_smoothing=smoothing)
        return {"loss": loss, "train_top1": (logits_BK.argmax(1) == batch["label"]).sum()}

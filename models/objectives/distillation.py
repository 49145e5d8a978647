"""Distillation from a teacher that sees other modalities (VSKD + DASK: `models/methods/vskd.py` has the source).

Relational terms compare the clips of a batch with one another (Park, Kim, Lu and Cho, "Relational Knowledge
Distillation", CVPR 2019). Over several workers these are the clips of all workers, so that a run of several computes
what a run of one does. B clips of this worker, N clips of all, W width, K classes.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from models.network import Batch, Network, head
from models.objectives.classification import Classification
from models.objectives.contrastive import before_here, gathered
from models.objectives.knowledge_mining import Frozen
from models.objectives.temporal_relations import TemporalRelations, looked_at

SHARE = 0.01  # of the soft targets
TEMPERATURE = 4.0  # of the soft targets
DELTA = 1.0  # of Huber's loss


class Distillation(Classification):
    """The student has the modalities that its parent in the role `teacher` lacks, and classifies by these alone.

    The parent is a TemporalRelations network that hands over its encoder as well. All of it stays frozen, in
    evaluation. In training it sees the student's clips. A clip that the teacher or the student can't see, since its
    input has no length, is compared with nothing, and one that the student can't see trains nothing at all.
    """

    def __init__(self, spec: Any, made: Any, classes: int, trained: set[str], parents: Mapping[str, Network]):
        super().__init__(spec, made, classes, trained=trained, parents={})
        teacher = parents["teacher"]
        assert isinstance(teacher, TemporalRelations)
        [self.shown] = teacher.encoders
        self.students = [name for name in made if name != self.shown]
        self.teacher = Frozen({"head": teacher.head}).requires_grad_(False)
        self.head = head(spec.head, sum(made[name].width for name in self.students), classes)
        self.train()

    def joined(self, batch: Batch) -> Tensor:
        """(B, W): the student's feature."""
        return torch.cat([self.embedding(batch, name) for name in self.students], dim=1)

    @torch.no_grad()
    def taught(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """The teacher's feature (B, W), its logits (B, K), and whether it sees the clip (B,).

        The feature is the mean over the moments that it looks at.
        """
        sequence, steps = self.sequence(batch, self.shown)
        x_BNW = looked_at(sequence, steps)
        return x_BNW.mean(dim=1), self.teacher["head"](x_BNW), steps > 0

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        feature_BW, label = self.joined(batch), batch["label"]
        logits_BK = self.head(feature_BW)
        taught_BW, said_BK, seen_B = self.taught(batch)
        here_B = torch.stack([self.features(batch, name)[1] > 0 for name in self.students]).all(dim=0)
        own_B = F.cross_entropy(logits_BK, label, reduction="none", label_smoothing=self.spec.head.label_smoothing)
        learnt_B = SHARE * soft(logits_BK, said_BK) + (feature_BW - taught_BW).square().mean(dim=1)
        learnt_B = learnt_B + relational(feature_BW, taught_BW, here_B & seen_B)
        loss = (own_B * here_B + learnt_B * (here_B & seen_B)).sum()
        return {"loss": loss, "train_top1": (logits_BK.argmax(1) == label).sum()}


def soft(logits_BK: Tensor, said_BK: Tensor) -> Tensor:
    """(B,): the divergence from the teacher's softened probabilities, times the square of the temperature."""
    ours, theirs = ((x / TEMPERATURE).log_softmax(dim=1) for x in (logits_BK, said_BK))
    return TEMPERATURE**2 * F.kl_div(ours, theirs, reduction="none", log_target=True).sum(dim=1)


def relational(x_BW: Tensor, taught_BW: Tensor, there_B: Tensor) -> Tensor:
    """(B,): of each clip the terms of distance and of angle, means over the pairs and triplets that it is the first of.

    A clip that isn't there is in no pair. The mean over the clips that are there is DASK's loss of a batch.
    """
    there_N = gathered(there_B[:, None].float())[:, 0]
    pair_NN = there_N[:, None] * there_N
    distance_NN, angle_NNN = (
        F.huber_loss(ours, theirs, reduction="none", delta=DELTA)
        for ours, theirs in zip(
            relations(gathered(x_BW), pair_NN), relations(gathered(taught_BW), pair_NN), strict=True
        )
    )
    count = there_N.sum().clamp(min=1)
    found_N = (distance_NN * pair_NN).sum(dim=1) / count
    found_N = found_N + (angle_NNN * pair_NN[:, :, None] * pair_NN[:, None]).sum(dim=(1, 2)) / count**2
    first = before_here(len(x_BW))
    return found_N[first : first + len(x_BW)]


def relations(x_NW: Tensor, pair_NN: Tensor) -> tuple[Tensor, Tensor]:
    """How far each clip is from each other one, in units of the pairs' mean distance above zero (N, N); and the cosine
    of the angle at each first clip between the directions to a second and to a third one (N, N, N)."""
    apart_NNW = x_NW - x_NW[:, None]
    far_NN = torch.linalg.vector_norm(apart_NNW, dim=2)
    unit_NNW = apart_NNW / torch.where(far_NN > 0, far_NN, 1.0)[:, :, None]
    above_NN = pair_NN * (far_NN > 0)
    mean = (far_NN * above_NN).sum() / above_NN.sum().clamp(min=1)
    return far_NN / torch.where(mean > 0, mean, 1.0), unit_NNW @ unit_NNW.transpose(1, 2)

"""CMC-CMKM (Brinzea, Khaertdinov and Asteriadis, IJCNN 2022, arXiv 2205.10071), and what its table compares it with.

Skeletons and inertial signals without labels: SimCLR trains an encoder of each, which say which clips are alike; new
encoders are trained to find a clip, and those alike, in the other modality; these are frozen and a classifier is
trained on both. Plain CMC does without the first stage and what is alike. `supervised` trains the same encoders and
classifier in one stage. Settings are those of github.com/razzu/cmc-cmkm, by which the paper's table was made.

What differs from that code:
- Signals are resampled linearly and in units of each channel's standard deviation. The authors' Fourier resampling
  assumes a periodic signal, and raw units make their noise of 1 nothing to a gyroscope.
- Their augmentations of signals take channels for time. What they are meant to be is trained with
  (`orchestrator/plan/rival_recipes.py`).
- The frozen encoders are in evaluation while the classifier is trained; theirs go on with dropout and batch statistics.
- All training subjects train, for all epochs at one rate; theirs stop and slow down by the scores of subject 7.
- The last batch of an epoch is kept.
B clips, K classes.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from models.methods import Method, Stage
from models.methods.simclr import pretraining
from models.network import Batch
from models.objectives.classification import Classification


class Heads(Classification):
    """A layer on each embedding, then one on all of them."""

    def __init__(self, spec: Any, made: Any, classes: int, **given: Any):
        super().__init__(spec, made, classes, **given)
        self.layers = nn.ModuleDict({name: _layer(e.width, spec.head.hidden) for name, e in made.items()})
        self.head = nn.Sequential(nn.Linear(len(made) * spec.head.hidden, classes))
        self.train()

    def embedding(self, batch: Batch, modality: str) -> Tensor:
        made = f"{modality}_embedding" in batch
        found = super().embedding(batch, modality)
        return found if made else self.layers[modality](found)


def _layer(width: int, hidden: int) -> nn.Module:
    return nn.Sequential(nn.Linear(width, hidden), nn.BatchNorm1d(hidden), nn.ReLU())


def _several(modalities: Sequence[str]) -> tuple[str, ...]:
    if len(modalities) < 2:
        raise ValueError(f"CMC and CMC-CMKM compare modalities: name two or more, not {' '.join(modalities)} alone.")
    return tuple(modalities)


def _classifier(read: tuple[str, ...], parent: str) -> Stage:
    frozen = {"model.finetuned": dict.fromkeys(read, ())}
    return Stage("cmkm_classifier", read, "cmc_cmkm:Heads", dict.fromkeys(read, parent), frozen)


def supervised(modalities: Sequence[str]) -> tuple[Stage, ...]:
    return (Stage("cmkm_supervised", _several(modalities), "cmc_cmkm:Heads"),)


def cmc(modalities: Sequence[str]) -> tuple[Stage, ...]:
    read = _several(modalities)
    return Stage("cmc", read, "contrastive"), _classifier(read, "cmc")


def cmc_cmkm(modalities: Sequence[str]) -> tuple[Stage, ...]:
    read = _several(modalities)
    first = tuple(pretraining(modality) for modality in read)
    parents = {f"similar_{modality}": stage.name for modality, stage in zip(read, first, strict=True)}
    return (*first, Stage("cmkm", read, "knowledge-mining", parents), _classifier(read, "cmkm"))


SUPERVISED = Method("CMC-CMKM's networks, supervised", supervised, "cmc-cmkm")
CMC = Method("CMC", cmc, "cmc-cmkm")
CMC_CMKM = Method("CMC-CMKM", cmc_cmkm, "cmc-cmkm")

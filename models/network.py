"""Network: encoders by modality and an objective on top of them. B clips, K classes.

A batch has each modality's input and its true lengths by name, `imu` and `imu_length`, or what the blocks that never
train make of it, `imu_frozen` and `imu_frozen_length`, or what a frozen trunk makes of it, `imu_trunk` and
`imu_trunk_length`; and `label`. A batch that `encode` has seen may also have the encoder's output, `imu_embedding` or
`imu_sequence` and `imu_sequence_length`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from models.encoders import ENCODERS
from models.encoders.encoder import Encoder, steps_of

Batch = dict[str, Tensor]


class Network(nn.Module):
    """What every objective shares. `loss` is a subclass's; `logits` too, where it has a classifier.

    Of an encoder that a parent has trained only the fine-tuned blocks train, and of one with a setting `frozen` only
    layers after that block, in every stage; the rest is frozen, BatchNorm statistics included, in every mode. What
    comes before the first layer that trains is the encoder's trunk.
    """

    def __init__(
        self,
        spec: Any,
        made: Mapping[str, Encoder],
        classes: int,
        trained: set[str],
        parents: Mapping[str, Network],
    ):
        super().__init__()
        self.spec = spec
        self.encoders = nn.ModuleDict(made)
        self.tuned: dict[str, list[int] | None] = {}  # by modality the layers that train, None where all do
        self.ends: dict[str, int] = {}  # where the trunk ends
        for modality, encoder in made.items():
            blocks, frozen = ENCODERS[spec.encoders[modality].name].blocks, spec.encoders[modality].frozen
            whole = modality not in trained or spec.whole(modality)
            rest = list(range(frozen, len(encoder.layers))) if frozen else None
            tuned = rest if whole else [blocks[name] for name in spec.head.finetuned[modality]]
            self.tuned[modality] = tuned
            self.ends[modality] = 0 if tuned is None else min(tuned, default=len(encoder.layers))
            encoder.requires_grad_(tuned is None)
            for i in tuned or ():
                encoder.layers[i].requires_grad_(True)

    def train(self, mode: bool = True) -> Network:
        super().train(mode)
        for modality, tuned in self.tuned.items():
            if tuned is not None:
                self.encoder(modality).eval()
                for i in tuned:
                    self.encoder(modality).layers[i].train(mode)
        return self

    def encoder(self, modality: str) -> Encoder:
        found = self.encoders[modality]
        assert isinstance(found, Encoder)
        return found

    @property
    def frozen(self) -> list[str]:
        """The modalities of which a trunk is frozen whose output is worth keeping, since it isn't stored already."""
        kept = [m for m in self.ends if self.encoder(m).keeps_trunk]
        return [m for m in kept if self.ends[m] > self.spec.encoders[m].frozen]

    @torch.no_grad()
    def trunk(self, batch: Batch, modality: str) -> Batch:
        """What the frozen layers make of a batch's input, a constant of each clip, and its length in steps."""
        encoder, end, frozen = self.encoder(modality), self.ends[modality], self.spec.encoders[modality].frozen
        if frozen:  # in the float16 of trunk shards also where there are none, as a recording is predicted
            name = f"{modality}_frozen"
            stored = (batch[name], batch[f"{name}_length"]) if name in batch else self.stored(batch, modality)
            x, length = stored
            made, steps = encoder.through(x.float(), slice(frozen, end)), x.shape[2]
        else:
            x, length = batch[modality], batch[f"{modality}_length"]
            made, steps = encoder.trunk(x, length, end), x.shape[1]
        return {f"{modality}_trunk": made, f"{modality}_trunk_length": steps_of(length, steps, made.shape[2])}

    def stored(self, batch: Batch, modality: str) -> tuple[Tensor, Tensor]:
        """What the layers that never train make of a batch's input, and its length in steps."""
        frozen = self.spec.encoders[modality].frozen
        return self.encoder(modality).stored(batch[modality], batch[f"{modality}_length"], frozen)

    def blank(self, x: Tensor, modality: str) -> Batch:
        """The trunk's output for one clip whose recording is missing; `x` is any clip's."""
        length = torch.tensor([0], device=x.device)
        return self.trunk({modality: torch.zeros_like(x[:1]), f"{modality}_length": length}, modality)

    def features(self, batch: Batch, modality: str) -> tuple[Tensor, Tensor]:
        """The trunk's output and how many of its steps are true; as the batch has it, or made now."""
        name = f"{modality}_trunk"
        if name not in batch:
            batch = self.trunk(batch, modality)
        return batch[name], batch[f"{name}_length"]

    def embedding(self, batch: Batch, modality: str) -> Tensor:
        """(B, W), pooled over time; as the batch has it, or made now."""
        if (name := f"{modality}_embedding") in batch:
            return batch[name]
        return self.encoder(modality).top(self.features(batch, modality)[0], self.ends[modality])

    def sequence(self, batch: Batch, modality: str) -> tuple[Tensor, Tensor]:
        """(B, W, L) and how many of each clip's steps are true; as the batch has them, or made now."""
        if (name := f"{modality}_sequence") in batch:
            return batch[name], batch[f"{name}_length"]
        features, steps = self.features(batch, modality)
        found = self.encoder(modality).sequence(features, self.ends[modality])
        return found, steps_of(steps, features.shape[2], found.shape[2])

    def encode(self, batch: Batch, modality: str) -> Batch:
        """Everything that `logits` computes from one modality alone, by the names under which a batch has it.

        A batch that has it gives the same logits without computing it again. A subclass adds what its head takes.
        """
        features, steps = self.features(batch, modality)
        return {f"{modality}_trunk": features, f"{modality}_trunk_length": steps}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Of a training batch the sum over its clips of the loss, and of whatever else a history's row has."""
        return self.loss(batch)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """`loss` and counts by the name that their share of all clips has in a history's row, as `train_top1`."""
        raise NotImplementedError

    def logits(self, batch: Batch) -> Tensor:
        """(B, K), of a network that classifies."""
        raise NotImplementedError(f"{type(self).__name__} has no classifier.")


def head(spec: Any, width: int, classes: int) -> nn.Sequential:
    """A two-layer MLP, or dropout and one layer."""
    if spec.hidden:
        return nn.Sequential(nn.Linear(width, spec.hidden), nn.ReLU(), nn.Linear(spec.hidden, classes))
    return nn.Sequential(nn.Dropout(spec.dropout), nn.Linear(width, classes))

"""The two words that pick what is trained: a scale (how much) and a recipe (how). recipes.py has those there are."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pydantic.dataclasses

from datasets import modalities
from models import encoders
from models.spec import EncoderSpec, HeadSpec
from orchestrator.plan.spec import Optimization


@dataclass(frozen=True)
class Scale:
    """Sizes, epochs by stage, and what a worker takes by the modality whose encoder it trains.

    What nobody listed: a stage trains `other_epochs`; a modality has one thread, and as much of a GPU as any has.
    """

    inputs: Mapping[str, Mapping[str, Any]]
    """By modality, of its Settings."""
    weights: str
    """Where encoders that have pretrained weights start from, unless their recipe says so."""
    epochs: Mapping[str, int]
    other_epochs: int
    threads: Mapping[str, int]
    gpus: Mapping[str, float]

    def threads_of(self, read: tuple[str, ...]) -> int:
        """Of a stage: those of its largest encoder."""
        return max(self.threads.get(modality, 1) for modality in read)

    def gpus_of(self, read: tuple[str, ...]) -> float:
        return max(self.gpus.get(modality, max(self.gpus.values())) for modality in read)


@pydantic.dataclasses.dataclass(frozen=True)
class StageRecipe:
    """How the runs of a stage are trained; as it stands here where a recipe says nothing of a stage.

    The epochs are the scale's, so many times over; in `optimization` they are left at 1. `augmentation` is by modality.
    Of the training clips of several modalities a share `missing` lacks one of them.
    """

    head: HeadSpec = HeadSpec()
    optimization: Optimization = Optimization(lr=1e-3, weight_decay=1e-6, batch=16, epochs=1)
    augmentation: dict[str, Any] = field(default_factory=dict)
    missing: float = 0.0
    times_epochs: float = 1.0


@pydantic.dataclasses.dataclass(frozen=True)
class Recipe:
    """Of what it doesn't name: an input has its modality's usual Settings, an encoder is the first of its modality."""

    inputs: dict[str, Any] = field(default_factory=dict)
    encoders: dict[str, EncoderSpec] = field(default_factory=dict)
    stages: dict[str, StageRecipe] = field(default_factory=dict)
    chosen_on: tuple[int, ...] = ()
    """Subjects whose scores had a say in these settings; where they are tested the report says so."""
    scaled: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    """By scale and modality: what of an input's Settings comes before the scale's own, as frames and size."""

    def settings(self, modality: str) -> Any:
        return self.inputs.get(modality) or modalities.of(modality).Settings()

    def encoder(self, modality: str) -> EncoderSpec:
        return self.encoders.get(modality) or EncoderSpec(encoders.default(modality))

    def stage(self, name: str) -> StageRecipe:
        return self.stages.get(name) or StageRecipe()

"""The paper's method (sections 3.1 to 3.3): each encoder is trained alone, then they are fused and fine-tuned.

The others of this file vary it: in how many stages it trains, what it fine-tunes, how it joins the embeddings, and
whether it sees training clips that lack a modality (modality dropout).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from models.methods import Method, Stage


def stages(modalities: Sequence[str], **changes: Any) -> tuple[Stage, ...]:
    """Stage 1 of each modality, and of several stage 2. Of one modality stage 1 is all."""
    first = tuple(Stage(modality, (modality,)) for modality in modalities)
    if len(first) == 1:
        return first
    return (*first, Stage("fusion", tuple(modalities), parents={m: m for m in modalities}, changes=changes))


def one_stage(modalities: Sequence[str]) -> tuple[Stage, ...]:
    if len(modalities) == 1:
        return stages(modalities)
    return (replace(stages(modalities)[-1], parents={}, changes={"model.finetuned": {}}, alone=True),)


def _varied(label: str, changes: Mapping[str, Any]) -> Method:
    return Method(label, lambda modalities: stages(modalities, **changes))


def _finetuned(label: str, blocks: Any) -> Method:
    def varied(modalities: Sequence[str]) -> tuple[Stage, ...]:
        return stages(modalities, **{"model.finetuned": {} if blocks is None else dict.fromkeys(modalities, blocks)})

    return Method(label, varied)


def dropout(share: float) -> float:
    """The share of training clips that lack a modality: the recipe's, or 0.3 where it has no modality dropout."""
    return share or 0.3


# What a table says of each. The first fine-tunes what the recipe names: Mixed_4c and Mixed_5c of S3D in the paper's.
TWO_STAGE = Method("two stages, fine-tuned as the recipe has it", lambda m: stages(m))
PAPER = Method("Choi et al., with the settings of Table 1", lambda m: stages(m), "paper")
ONE_STAGE = Method("one stage, all trained together from what stage 1 starts from", one_stage)
FROZEN = _finetuned("two stages, all encoders frozen after stage 1", ())
ALL = _finetuned("two stages, everything fine-tuned", None)
CONCATENATION = _varied("concatenation", {"model.join": "concatenation", "missing": 0.0})
ATTENTION = _varied("self-attention over the embedding sequences", {"model.join": "attention", "missing": 0.0})
DROPOUT = _varied("concatenation, modality dropout", {"model.join": "concatenation", "missing": dropout})
ATTENTION_DROPOUT = _varied("self-attention, modality dropout", {"model.join": "attention", "missing": dropout})

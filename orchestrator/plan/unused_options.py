"""Augmentation that would change no clip: its runs would train, and compare nothing. Refused before they start."""

from datasets import modalities
from models.objectives import objective
from orchestrator.plan.spec import RunSpec


def refuse_unused(spec: RunSpec) -> None:
    """Raises ValueError."""
    for modality, how in spec.augmentation.items():
        if why := modalities.of(modality).ineffective(spec.data.inputs[modality], how):
            raise ValueError(f"{spec.stage}.augmentation.{why}")
    if spec.missing and len(spec.modalities) == 1:
        raise ValueError(f"{spec.stage}.augmentation.missing {spec.missing:g}: it has one modality; leave it out.")
    if objective(spec.network.objective).views > 1 and not any(
        any(vars(h).values()) for h in spec.augmentation.values()
    ):
        raise ValueError(
            f"{spec.stage}: {spec.network.objective} compares variations of a clip: augment its recordings."
        )

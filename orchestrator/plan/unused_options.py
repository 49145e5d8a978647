"""Augmentation that would change no clip: its runs would train, and compare nothing. Refused before they start."""

from datasets import modalities
from models.objectives import objective
from orchestrator.plan.spec import RunSpec


def refuse_unused(spec: RunSpec) -> None:
    """Raises ValueError."""
    for modality, how in spec.augmentation.items():
        if why := modalities.of(modality).ineffective(spec.data.inputs[modality], how):
            raise ValueError(f"{spec.stage}.augmentation.{why}")
        frozen, views = spec.network.encoders[modality].frozen, getattr(how, "views", 0)
        if views and not frozen:
            raise ValueError(
                f"{spec.stage}.augmentation.views {views}: no block of its encoder is frozen, so that {modality} varies"
                f" anew in each epoch. Set it to 0, or set {modality}.model.frozen."
            )
        if frozen and not views and any(vars(how).values()):
            raise ValueError(
                f"{spec.stage}.augmentation of {modality}: what frozen blocks make of a clip is computed once. Add"
                f" --set {spec.stage}.augmentation.{modality}.views 3, or set what varies it to 0."
            )
    if spec.missing and len(spec.modalities) == 1:
        raise ValueError(f"{spec.stage}.augmentation.missing {spec.missing:g}: it has one modality; leave it out.")
    if objective(spec.network.objective).views > 1 and not any(
        any(vars(h).values()) for h in spec.augmentation.values()
    ):
        raise ValueError(
            f"{spec.stage}: {spec.network.objective} compares variations of a clip: augment its recordings."
        )

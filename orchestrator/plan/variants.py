"""Variants of a fusion run beside the paper's own: in how many stages it trains, and how it joins the modalities."""

from collections.abc import Mapping
from dataclasses import replace

from models.spec import FusionModel, VideoModel
from orchestrator.plan.spec import Modality, RunSpec

MISSING = 0.3  # of the training clips lack a modality where modality dropout is on, unless the recipe says how many

# What a table says of each; "" is what a recipe fuses by itself, and what of it is fine-tuned is the paper's.
VARIANTS = {
    "": "two stages, as the recipe has it: Mixed_4c, Mixed_5c and the IMU encoder fine-tuned",
    "one-stage": "one stage, all trained together from what stage 1 starts from",
    "frozen": "two stages, both encoders frozen after stage 1",
    "all": "two stages, everything fine-tuned",
    "concatenation": "concatenation",
    "attention": "self-attention over both embedding sequences",
    "dropout": "concatenation, modality dropout",
    "attention-dropout": "self-attention, modality dropout",
}
FUSIONS = ("concatenation", "attention", "dropout", "attention-dropout")


def vary(spec: RunSpec, variant: str, stage1: Mapping[Modality, RunSpec]) -> RunSpec:
    """The fusion run `spec` as the variant has it; `stage1` are the runs that it starts from.

    Raises ValueError where the fusion would fine-tune blocks that the video's backbone hasn't.
    """
    model, seen_by = spec.model, stage1["video"].model
    assert isinstance(model, FusionModel) and isinstance(seen_by, VideoModel)
    if variant == "one-stage":
        # S3D sees as many epochs as in both stages, at stage 1's rate, and varied as there.
        video, before = stage1["video"].optimization, stage1["video"].augmentation
        how = replace(spec.augmentation, video=before.video)
        model = replace(model, finetuned=tuple(seen_by.blocks), imu=stage1["imu"].model, video=seen_by)
        optimization = replace(video, epochs=video.epochs + spec.optimization.epochs)
        return replace(spec, model=model, optimization=optimization, augmentation=how, parents=())
    if variant == "frozen":
        model = replace(model, finetuned=(), finetuned_imu=False)
    if variant == "all":
        model = replace(model, finetuned=tuple(seen_by.blocks))
    seen_by.check_blocks(model.finetuned)
    spec = replace(spec, model=model)
    return _joined(spec, variant) if variant in FUSIONS else spec


def _joined(spec: RunSpec, variant: str) -> RunSpec:
    by = "attention" if variant.startswith("attention") else "concatenation"
    missing = (spec.augmentation.missing or MISSING) if variant.endswith("dropout") else 0.0
    model = replace(spec.model, by=by)  # pyright: ignore[reportCallIssue]
    return replace(spec, model=model, augmentation=replace(spec.augmentation, missing=missing), code=0)

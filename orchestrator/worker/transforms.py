"""What becomes of clips as they are stored before a network sees them: cropped, varied, scaled."""

import torch

from datasets import modalities
from datasets.stream import Batch
from orchestrator.plan.spec import RunSpec


def see(batch: Batch, spec: RunSpec, vary: bool) -> Batch:
    """What the network sees of clips as they are stored; varied where they are trained on."""
    return arrived(sent(batch, spec, vary), spec)


def sent(batch: Batch, spec: RunSpec, vary: bool) -> Batch:
    """The part of `see` that draws and looks at values, before the device. Frames stay uint8.

    Where the views of a clip are stored as a frozen trunk gives them, one of them is drawn, or the clip as it is.
    """
    for name, given in spec.data.inputs.items():
        if name in batch:
            how = spec.augmentation.get(name) if vary else None
            x, length = modalities.of(name).see(batch[name], batch[f"{name}_length"], given, how)
            batch = batch | {name: x, f"{name}_length": length}
        if f"{name}_views" in batch:
            own, views = batch[f"{name}_frozen"], batch[f"{name}_views"]
            if vary:
                drawn = torch.randint(1 + views.shape[1], (len(own),))
                own = torch.cat([own[:, None], views], 1)[torch.arange(len(own)), drawn]
            batch = {k: v for k, v in batch.items() if not k.startswith(f"{name}_views")} | {f"{name}_frozen": own}
    return batch


def arrived(batch: Batch, spec: RunSpec) -> Batch:
    """The rest of it, which is arithmetic on whole batches, on the device; of a clip's second variation too."""
    for name, given in spec.data.inputs.items():
        for view in (name, f"{name}:2"):
            if view in batch:
                length = batch[view.replace(name, f"{name}_length")]
                batch = batch | {view: modalities.of(name).arrive(batch[view], length, given)}
    return batch


def varied(spec: RunSpec, modality: str) -> bool:
    """Whether training clips of a modality vary from epoch to epoch."""
    how = spec.augmentation.get(modality)
    return how is not None and any(vars(how).values())

"""The modalities there are, a file each; a new one is a file here and a line in MODALITIES (datasets/README.md)."""

from functools import cache
from importlib import import_module

from datasets.modalities.modality import Modality, Source

__all__ = ["MODALITIES", "Modality", "Source", "of", "of_file"]

MODALITIES = {
    "imu": "datasets.modalities.imu:Imu",
    "skeleton": "datasets.modalities.skeleton:Skeleton",
    "video": "datasets.modalities.video:Video",
    "depth": "datasets.modalities.depth:Depth",
}


def of(name: str) -> Modality:
    """Raises ValueError for a modality that isn't there."""
    if name not in MODALITIES:
        raise ValueError(f"{name}: there is no such modality, only {', '.join(MODALITIES)}.")
    return _made(MODALITIES[name])


@cache
def _made(where: str) -> Modality:
    module, _, found = where.partition(":")
    return getattr(import_module(module), found)()


def of_file(name: str) -> tuple[str, str] | None:
    """By how a file is named its modality and that ending, of several the longest; None where it is of none."""
    endings = {ending: modality for modality in MODALITIES for ending in of(modality).endings}
    fit = [ending for ending in endings if name.lower().endswith(ending)]
    longest = max(fit, key=len, default=None)
    return (endings[longest], longest) if longest else None

"""Corpus: what a file of this folder says of the recordings it understands."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from datasets import modalities
from datasets.files import listing
from datasets.manifest import Manifest
from datasets.modalities import Source
from datasets.spec import Protocol


@dataclass(frozen=True)
class Corpus:
    """`read` makes the Manifest of a folder, of the recordings of some modalities alone, with what is bad in them
    listed; ValueError where the folder is another's."""

    read: Callable[[Path, Sequence[str]], Manifest]
    protocols: Mapping[str, Protocol]
    """By name; the first is what the corpus is run with unless another is asked for."""
    sources: Mapping[str, Source]
    """How each modality was recorded; one that isn't named has nothing of its own."""
    modalities: tuple[str, ...] = ("imu", "video")
    """What its experiments use unless others are asked for."""
    only: tuple[str, ...] = ()
    """Of which modalities the layout has recordings; () where it may have those of any."""
    seen: Callable[[Path], Iterator[str]] = listing.seen
    """Lines that stay the same as long as the folder's Manifest does."""

    def __post_init__(self) -> None:
        for name in (*self.modalities, *self.sources):
            modalities.of(name).accept(self.source(name))

    def source(self, modality: str) -> Source:
        return self.sources.get(modality, Source())

"""Corpus: what a file of this folder says of the recordings it understands."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datasets.corpora import pairs
from datasets.manifest import Manifest
from datasets.spec import Protocol


@dataclass(frozen=True)
class Corpus:
    """`read` makes the Manifest of a folder, with what is bad in it listed; ValueError where the folder is another's.

    The rest is as most corpora have it: one video and one signal a clip, which `pairs` checks and reads.
    """

    read: Callable[[Path], Manifest]
    protocols: Mapping[str, Protocol]
    """By name; the first is what the corpus is run with unless another is asked for."""
    channels: int = 6
    """Of the signals: triplets of axes, which augmentation turns and scales together."""
    units: tuple[str | None, ...] = ()
    """Of each triplet "g" or "m/s^2", with gravity, "deg/s", or None; none where they are unknown. What can't be in its
    unit is told."""
    hz: float | None = None
    """The rate of the signals, where it is one and known: a video beside one lasts as long."""
    signal: Callable[[Path, str, int | None], np.ndarray] = pairs.signal
    """(S, C) float32 of a Manifest's root and column imu, at a rate in Hz or, where that is None, as recorded."""
    own: Callable[[Path], str] = pairs.own
    """The column imu, below the folder it lies in, of a recording in no Manifest; ValueError where the path is none."""
    gaps: bool = False
    """Whether all axes of a triplet may be NaN, where its sensor has no sample: that becomes padding."""
    by_header: bool = False
    """Whether `read` believes the headers of videos: what is to be known of them is then noted as they are decoded."""
    seen: Callable[[Path], Iterator[str]] = pairs.seen
    """Lines that stay the same as long as the folder's Manifest does."""

    def __post_init__(self) -> None:
        if self.units and len(self.units) != self.channels // 3:
            raise ValueError(f"units={self.units}: one for each of {self.channels // 3} triplets of axes, or None.")
        if self.channels < 3 or self.channels % 3:
            raise ValueError(f"channels={self.channels}: signals are triplets of axes; leave out what has no three.")

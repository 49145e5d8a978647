"""Skeletons: positions of joints over time, in space or in an image. S samples, J joints, D axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic.dataclasses import dataclass

from datasets.files.listing import some
from datasets.files.sandbox import Found
from datasets.modalities.modality import FROZEN, Modality, Note, Source
from datasets.skeletons import picture
from datasets.skeletons.joints import KINECT, Joints
from datasets.skeletons.read import READERS, filled, read_skeleton

if TYPE_CHECKING:
    from torch import Generator, Tensor

LEAST, MOST = 10, 10_000  # samples of a recording
LEAST_SEEN = 48  # samples of which the co-occurrence network makes one step
NOTES = {
    "several": "samples show several people; the one with the highest mean confidence over the recording is followed",
    "unseen": "samples are without that person; they are filled from those before and after",
}
NOBODY = "shows nobody in any sample"


@dataclass(frozen=True, config=FROZEN)
class Settings:
    resampled: int = 64
    """That the network sees, made of a clip's own: skeletons have no fixed rate, so time is relative."""


@dataclass(frozen=True, config=FROZEN)
class Input:
    """`samples` is the longest recording's, `resampled` what the network sees. `origin` and `top` are the
    numbers of the joints at the ends of the torso."""

    samples: int
    resampled: int
    joints: int
    axes: int
    origin: tuple[int, ...]
    top: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise ValueError("no clip has a skeleton: add their files, or leave skeleton out of --modalities.")
        if self.resampled < LEAST_SEEN:
            raise ValueError(f"resampled={self.resampled}: a network takes {LEAST_SEEN} or more.")


@dataclass(frozen=True, config=FROZEN)
class Augmentation:
    rotation: float = 0.0
    """Of the person about the vertical (in an image within it), standard deviation in degrees."""
    scale: float = 0.0
    """Standard deviation of the logarithm of the size."""
    noise: float = 0.0
    """Standard deviation of each position, in torso lengths."""
    warp: float = 0.0
    """Standard deviation of the logarithm of the speed along a clip."""
    crop: float = 0.0
    """The largest share of a recording that is left out at its ends."""
    shear: float = field(default=0.0, metadata={"left_out_at": 0.0})
    """Standard deviation of how much of each axis is added to each other one."""

    def __post_init__(self) -> None:
        if min(vars(self).values()) < 0 or self.crop >= 1:
            raise ValueError(f"{self}: nothing is below 0, and crop is below 1.")


class Skeleton(Modality):
    name, label = "skeleton", "skeleton"
    endings = tuple(READERS)
    least = LEAST
    Settings, Input, Augmentation = Settings, Input, Augmentation

    def found(self, root: Path, name: str, source: Source) -> Found:
        x = self.read(root, name, source)
        return Found(len(x), source.notes(root, name) | _unseen(x))

    def remarks(self, found: Mapping[str, Found], source: Source) -> list[str]:
        lines = []
        for kind, words in NOTES.items():
            noted = [f"{file} ({each.notes[kind]})" for file, each in found.items() if kind in each.notes]
            lines += [f"{len(noted)} skeleton file{'s' * (len(noted) > 1)}: {words}: {some(noted)}"] if noted else []
        return lines

    def remarks_of(self, found: Found, source: Source) -> list[str]:
        return [f"{NOTES[kind]} ({how})" for kind, how in found.notes.items()]

    def read(self, root: Path, name: str, source: Source) -> np.ndarray:
        """(S, J, D) float32, NaN where a joint wasn't found. Raises ValueError as `checked` does."""
        x = source.read(root, name, None) if source.read else read_skeleton(root / name, joints_of(source))
        return self.checked(x, source)

    def checked(self, x: np.ndarray, source: Source) -> np.ndarray:
        """As float32. Raises ValueError unless it is (S, J, D) finite numbers of the corpus's joints and axes; where
        the source has gaps, a joint's position may be missing as a whole."""
        joints = joints_of(source)
        shape = (len(joints.names), len(joints.axes))
        if x.ndim != 3 or x.shape[1:] != shape:
            raise ValueError(f"is {'x'.join(map(str, x.shape))}, not samples x {shape[0]} joints x {shape[1]} axes")
        if not LEAST <= len(x) <= MOST:
            raise ValueError(f"has {len(x)} samples; a skeleton has {LEAST} to {MOST}")
        if x.dtype.kind not in "fiu":
            raise ValueError(f"holds {x.dtype}, not numbers")
        with np.errstate(over="ignore"):
            x = x.astype(np.float32, copy=False)
        bad = ~np.isfinite(x)
        if source.gaps:
            bad &= ~np.isnan(x).all(axis=2, keepdims=True)
        if bad.any():
            raise ValueError(f"has {int(bad.sum())} values that are NaN or infinite")
        if not np.isfinite(x).any():
            raise ValueError(NOBODY)
        return x

    def input(self, settings: Settings, source: Source, longest: Callable[[int | None], int]) -> Input:
        joints = joints_of(source)
        ends = (tuple(joints.places(names)) for names in (joints.origin, joints.top))
        return Input(longest(None), settings.resampled, len(joints.names), len(joints.axes), *ends)

    def stored(self, given: Input) -> dict[str, int]:
        return {"samples": given.samples, "joints": given.joints, "axes": given.axes}

    def shape(self, given: Input) -> tuple[int, int, int]:
        return given.samples, given.joints, given.axes

    def load(
        self, root: Path, name: str, count: int, source: Source, given: Input, note: Note = lambda notes: None
    ) -> tuple[np.ndarray, int]:
        return self.padded(self.read(root, name, source), given)

    def padded(self, x: np.ndarray, given: Input) -> tuple[np.ndarray, int]:
        """A recording (S, J, D) as a shard stores it; one longer than the corpus's longest keeps its length."""
        out = np.zeros((max(given.samples, len(x)), *x.shape[1:]), np.float32)
        out[: len(x)] = filled(x)
        return out, len(x)

    def from_rows(
        self, rows: Sequence[Sequence[float | None]], source: Source, given: Input
    ) -> tuple[tuple[np.ndarray, int], Found]:
        """A row a sample, with the numbers of `Joints.columns` in that order."""
        samples = [list(sample) for sample in rows]
        widths, columns = sorted({len(sample) for sample in samples}), given.joints * given.axes
        if widths != [columns]:
            raise ValueError(f"skeleton has samples of {widths} numbers, not {columns}")
        flat = np.array(samples, np.float32)  # pyright: ignore[reportArgumentType]
        try:
            x = self.checked(flat.reshape(len(flat), given.joints, given.axes), source)
        except ValueError as error:
            raise ValueError(f"skeleton {error}") from None
        return self.padded(x, given), Found(len(x), _unseen(x))

    def example(self, source: Source) -> list[list[float]]:
        """Of somebody who stands still, with joints at made-up heights."""
        joints = joints_of(source)
        person = np.stack([np.linspace(-0.3, 0.3, len(joints.names))] * len(joints.axes), axis=1)
        return [person.ravel().tolist()] * 20

    def channels(self, given: Input) -> int:
        return given.axes

    def decided(self, given: Input) -> dict[str, int]:
        return {"channels": given.axes, "joints": given.joints}

    def see(self, x: Tensor, length_B: Tensor, given: Input, how: Augmentation | None) -> tuple[Tensor, Tensor]:
        from datasets.skeletons import augment

        x = augment.resample(x, length_B, given.resampled, how)
        x = augment.normalise(x, given.origin, given.top)
        # A recording that is missing has no length, and keeps none.
        return (augment.vary(x, how) if how else x), length_B.clamp(max=1) * given.resampled

    def drawn(self, given: Input, clips: int, draw: Generator) -> Tensor:
        import torch

        return torch.randn(clips, given.resampled, given.joints, given.axes, generator=draw)

    def pictured(self, seen: np.ndarray, weight: np.ndarray, source: Source) -> tuple[np.ndarray, np.ndarray]:
        return picture.frames(seen, weight, joints_of(source))


def _unseen(x: np.ndarray) -> dict[str, str]:
    """The note of how many samples have no joint."""
    unseen = int(np.isnan(x).all(axis=(1, 2)).sum())
    return {"unseen": f"{unseen} of {len(x)}"} if unseen else {}


def joints_of(source: Source) -> Joints:
    """Of a corpus; the first Kinect's where it names none."""
    return source.joints or KINECT

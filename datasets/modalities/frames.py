"""Frames: what modalities of pictures share, videos and depth. A network sees so many of one size, out of those that
shards store. B clips, T frames, H, W pixels, C channels."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic.dataclasses import dataclass

from datasets.modalities.modality import FROZEN, Modality

if TYPE_CHECKING:
    from torch import Generator, Tensor


SPARE = "shards hold no more frames or pixels than the network sees: add --set spare_frames 1.5"


@dataclass(frozen=True, config=FROZEN)
class Settings:
    frames: int = 16
    """That the network sees, taken uniformly over a longer clip; all of a shorter one, padded."""
    size: int = 64
    """Pixels of a side of the square that they are scaled to."""
    spare_frames: float = 1.0
    """Frames kept in the shards as a multiple of those the network sees, to crop from; likewise the frame's size."""
    spare_size: float = 1.0

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """The first four fields of an Input."""
        stored = round(self.frames * self.spare_frames), round(self.size * self.spare_size)
        return self.frames, self.size, *stored


@dataclass(frozen=True, config=FROZEN)
class Input:
    """The network sees `frames` of `size` out of the shards' `stored_frames` of `stored_size`."""

    frames: int
    size: int
    stored_frames: int
    stored_size: int

    def __post_init__(self) -> None:
        if self.frames < 1 or self.size < 1:
            raise ValueError(f"frames={self.frames}, size={self.size}: a clip needs at least one frame of one pixel.")
        if self.stored_frames < self.frames or self.stored_size < self.size:
            raise ValueError(f"{self}: shards hold at least what the network sees; spare_frames, spare_size from 1 on.")

    @property
    def spare(self) -> bool:
        """Whether shards hold more than the network sees."""
        return (self.stored_frames, self.stored_size) != (self.frames, self.size)


@dataclass(frozen=True, config=FROZEN)
class Augmentation:
    """What a modality's own has in common with the others'."""

    views: int = field(default=0, metadata={"left_out_at": 0})
    """Where the first blocks of the encoder are frozen: so many varied views of each training clip are stored, as those
    blocks give them. In each epoch a clip is one of them or itself."""

    def __post_init__(self) -> None:
        if self.views < 0:
            raise ValueError(f"{self}: views is not below 0.")


class Frames(Modality):
    """Pictures are uint8, and a request holds a file. The encoder gets three channels."""

    counted = "frames"
    dtype = np.uint8
    request = "file"

    share: ClassVar[str]
    """The field of an Augmentation that is the largest share of a clip's time left out; above zero its frames are
    cropped at random too."""

    def describe(self, given: Input) -> str:
        return f"{self.name} in {given.frames} frames of {given.size}x{given.size}"

    def channels(self, given: Input) -> int:
        return 3

    def see(self, x: Tensor, length_B: Tensor, given: Input, how: Any | None) -> tuple[Tensor, Tensor]:
        from datasets.videos import augment

        if not given.spare:
            return x, length_B
        return augment.view(x, length_B, given.frames, given.size, getattr(how, self.share) if how else 0.0)

    def values(self, x: Tensor) -> Tensor:
        """Between 0 and 1."""
        return x / 255

    def drawn(self, given: Input, clips: int, draw: Generator) -> Tensor:
        import torch

        shape = (clips, given.frames, given.size, given.size, 3)
        return torch.randint(0, 256, shape, dtype=torch.uint8, generator=draw)

    def ineffective(self, given: Input, how: Any) -> str | None:
        share = getattr(how, self.share)
        if share and not given.spare:
            return f"{self.share} {share:g} changes nothing where {SPARE}, or set it to 0."
        if how.views and not any(value for name, value in vars(how).items() if name != "views"):
            return f"views {how.views} changes nothing where nothing else varies: all views would be the same."
        return None

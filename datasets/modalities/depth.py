"""Depth in millimetres, as a depth camera measures it: pictures of the person in which nearer is brighter.

UTD-MHAD's is a Kinect's, 320x240, with the background removed. T frames, H, W pixels.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic.dataclasses import dataclass

from datasets.depths import depth_file, person
from datasets.files.sandbox import Found
from datasets.modalities import frames
from datasets.modalities.frames import Frames
from datasets.modalities.modality import FROZEN, Note, Source
from datasets.videos.timing import sample_times

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, config=FROZEN)
class Settings(frames.Settings):
    channels: Literal["depth", "motion"] = "depth"
    """How near each pixel is, three times; or that and motion as in datasets/videos/augment.py:motion."""


@dataclass(frozen=True, config=FROZEN)
class Input(frames.Input):
    channels: Literal["depth", "motion"] = "depth"


@dataclass(frozen=True, config=FROZEN)
class Augmentation(frames.Augmentation):
    crop: float = 0.0
    """The largest share of a clip's time that is left out; above zero its frames are cropped at random too."""
    rotation: float = 0.0
    """Of the person about the vertical, standard deviation in degrees."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.crop < 1 or self.rotation < 0:
            raise ValueError(f"{self}: crop is at least 0 and below 1, rotation not below 0.")


class Depth(Frames):
    """Shards hold pictures of one channel as `datasets/depths/person.py:pictures` makes them of millimetres."""

    name, label, share = "depth", "depth (mm)", "crop"
    endings = (depth_file.MAT, depth_file.NPZ)
    Settings, Input, Augmentation = Settings, Input, Augmentation

    def found(self, root: Path, name: str, source: Source) -> Found:
        return Found(len(depth_file.read(root / name)))

    def input(self, settings: Settings, source: Source, longest: Callable[[int | None], int]) -> Input:
        return Input(*settings.sizes, settings.channels)

    def stored(self, given: Input) -> dict[str, int]:
        return {"frames": given.stored_frames, "size": given.stored_size}

    def shape(self, given: Input) -> tuple[int, int, int, int]:
        return given.stored_frames, given.stored_size, given.stored_size, 1

    def load(
        self, root: Path, name: str, count: int, source: Source, given: Input, note: Note = lambda notes: None
    ) -> tuple[np.ndarray, int]:
        depth = depth_file.read(root / name)
        if len(depth) != count:
            raise ValueError(f"has {len(depth)} frames and had {count}: it changed while in use")
        chosen = sample_times(count, given.stored_frames)
        out = np.zeros(self.shape(given), self.dtype)
        out[: len(chosen), ..., 0] = person.pictures(depth, chosen, given.stored_size)
        return out, len(chosen)

    def example(self, source: Source) -> str:
        """Of a box that is two metres away."""
        depth, file = np.zeros((20, 24, 32), np.uint16), io.BytesIO()
        depth[:, 4:20, 8:24] = 2000
        np.savez_compressed(file, depth=depth)
        return base64.b64encode(file.getvalue()).decode()

    def see(self, x: Tensor, length_B: Tensor, given: Input, how: Augmentation | None) -> tuple[Tensor, Tensor]:
        from datasets.depths import augment

        x, length_B = super().see(x, length_B, given, how)
        if how and how.rotation:
            x = augment.turned(x, how.rotation, augment.SIDE / given.stored_size)
        return x, length_B

    def arrive(self, x: Tensor, length_B: Tensor, given: Input) -> Tensor:
        from datasets.videos import augment

        return augment.motion(x, length_B) if given.channels == "motion" else x.expand(*x.shape[:-1], 3)

"""Videos: so many frames of one size, in colour or as motion. T frames, H, W pixels."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic.dataclasses import dataclass

from datasets.files.listing import some
from datasets.files.sandbox import Found
from datasets.modalities.modality import FROZEN, Modality, Note, Source
from datasets.videos import decode, video_file

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
    crop: Literal["frame", "motion"] = "frame"
    """The whole frame, or the square in which something moves in this clip (static cameras)."""
    channels: Literal["colour", "motion"] = "colour"
    """Three colours, or brightness and motion as in datasets/videos/augment.py:motion."""


@dataclass(frozen=True, config=FROZEN)
class Input:
    """The network sees `frames` of `size` out of the shards' `stored_frames` of `stored_size`."""

    frames: int
    size: int
    stored_frames: int
    stored_size: int
    crop: Literal["frame", "motion"] = "frame"
    channels: Literal["colour", "motion"] = "colour"

    def __post_init__(self) -> None:
        if self.frames < 1 or self.size < 1:
            raise ValueError(f"frames={self.frames}, size={self.size}: a clip needs at least one frame of one pixel.")
        if self.stored_frames < self.frames or self.stored_size < self.size:
            raise ValueError(f"{self}: shards hold at least what the network sees; spare_frames, spare_size from 1 on.")


@dataclass(frozen=True, config=FROZEN)
class Augmentation:
    video: float = 0.0
    """The largest share of a video's time that is left out; above zero its frames are cropped at random too."""

    def __post_init__(self) -> None:
        if not 0 <= self.video < 1:
            raise ValueError(f"{self}: video is at least 0 and below 1.")


class Video(Modality):
    name, label, counted = "video", "video", "frames"
    endings = tuple(sorted(video_file.VIDEOS))
    dtype = np.uint8
    request = "file"
    Settings, Input, Augmentation = Settings, Input, Augmentation

    def found(self, root: Path, name: str, source: Source) -> Found:
        return video_file.summary(root / name)

    def own(self, path: Path, source: Source) -> str:
        """FFmpeg tells a file's format by its content, whatever its name ends in."""
        if path.is_dir():
            raise ValueError("is a folder, not a video")
        return path.name

    def remarks(self, found: Mapping[str, Found], source: Source) -> list[str]:
        lines = []
        for kind, words in video_file.NOTES.items():
            noted = {file: each.notes[kind] for file, each in found.items() if kind in each.notes}
            if noted:
                named = some([f"{file} ({how})" if how else file for file, how in noted.items()])
                lines.append(f"{len(noted)} video{'s' * (len(noted) > 1)}: {words}: {named}")
        return lines

    def remarks_of(self, found: Found, source: Source) -> list[str]:
        return [video_file.NOTES[kind] + (f" ({how})" if how else "") for kind, how in found.notes.items()]

    def input(self, settings: Settings, source: Source, longest: Callable[[int | None], int]) -> Input:
        frames, size = settings.frames, settings.size
        spare = round(frames * settings.spare_frames), round(size * settings.spare_size)
        return Input(frames, size, *spare, settings.crop, settings.channels)

    def stored(self, given: Input) -> dict[str, int | str]:
        return {"frames": given.stored_frames, "size": given.stored_size, "crop": given.crop}

    def shape(self, given: Input) -> tuple[int, int, int, int]:
        return given.stored_frames, given.stored_size, given.stored_size, 3

    def load(
        self, root: Path, name: str, count: int, source: Source, given: Input, note: Note = lambda notes: None
    ) -> tuple[np.ndarray, int]:
        return decode.decode_video(root / name, given.stored_frames, count, given.stored_size, given.crop, note)

    def example(self, source: Source) -> str:
        """Of nothing but grey."""
        import av

        with tempfile.NamedTemporaryFile(suffix=".mp4") as file:
            with av.open(file.name, "w") as container:
                stream = container.add_stream("mpeg4", rate=15)
                stream.width = stream.height = 64
                stream.pix_fmt = "yuv420p"
                for _ in range(15):
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((64, 64, 3), 128, np.uint8))))
                container.mux(stream.encode())
            return base64.b64encode(Path(file.name).read_bytes()).decode()

    def describe(self, given: Input) -> str:
        return f"{given.frames} frames of {given.size}x{given.size}"

    def channels(self, given: Input) -> int:
        return 3

    def see(self, x: Tensor, length_B: Tensor, given: Input, how: Augmentation | None) -> tuple[Tensor, Tensor]:
        from datasets.videos import augment

        if (given.stored_frames, given.stored_size) == (given.frames, given.size):
            return x, length_B
        return augment.view(x, length_B, given.frames, given.size, how)

    def arrive(self, x: Tensor, length_B: Tensor, given: Input) -> Tensor:
        from datasets.videos import augment

        return augment.motion(x, length_B) if given.channels == "motion" else x

    def values(self, x: Tensor) -> Tensor:
        """Between 0 and 1."""
        return x / 255

    def drawn(self, given: Input, clips: int, draw: Generator) -> Tensor:
        import torch

        shape = (clips, given.frames, given.size, given.size, 3)
        return torch.randint(0, 256, shape, dtype=torch.uint8, generator=draw)

    def ineffective(self, given: Input, how: Augmentation) -> str | None:
        if how.video and (given.stored_frames, given.stored_size) == (given.frames, given.size):
            return f"video {how.video:g} changes nothing where {SPARE}, or set it to 0."
        return None

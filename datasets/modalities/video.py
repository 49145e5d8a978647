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
from datasets.modalities import frames
from datasets.modalities.frames import Frames
from datasets.modalities.modality import FROZEN, Note, Source
from datasets.videos import decode, video_file

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, config=FROZEN)
class Settings(frames.Settings):
    crop: Literal["frame", "motion"] = "frame"
    """The whole frame, or the square in which something moves in this clip (static cameras)."""
    channels: Literal["colour", "motion"] = "colour"
    """Three colours, or brightness and motion as in datasets/videos/augment.py:motion."""


@dataclass(frozen=True, config=FROZEN)
class Input(frames.Input):
    crop: Literal["frame", "motion"] = "frame"
    channels: Literal["colour", "motion"] = "colour"


@dataclass(frozen=True, config=FROZEN)
class Augmentation(frames.Augmentation):
    video: float = 0.0
    """The largest share of a video's time that is left out; above zero its frames are cropped at random too."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.video < 1:
            raise ValueError(f"{self}: video is at least 0 and below 1.")


class Video(Frames):
    name, label, share = "video", "video", "video"
    endings = tuple(sorted(video_file.VIDEOS))
    Settings, Input, Augmentation = Settings, Input, Augmentation

    def named(self, shows: str | None) -> str:
        """Depth that was drawn as a video is told from the modality `depth`, its millimetres."""
        return "depth video (AVI)" if shows == "depth" else super().named(shows)

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
        return Input(*settings.sizes, settings.crop, settings.channels)

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

    def arrive(self, x: Tensor, length_B: Tensor, given: Input) -> Tensor:
        from datasets.videos import augment

        return augment.motion(x, length_B) if given.channels == "motion" else x

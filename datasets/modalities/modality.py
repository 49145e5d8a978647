"""Modality: one kind of input, from its recordings to what a network sees; and Source: how a corpus recorded it.

Shapes: B clips, L samples or frames.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import ConfigDict

from datasets.files.sandbox import Found
from datasets.skeletons.joints import Joints

if TYPE_CHECKING:
    from torch import Generator, Tensor

Note = Callable[[Mapping[str, str]], object]
FROZEN = ConfigDict(extra="forbid")  # of a modality's Settings, Input and Augmentation


@dataclass(frozen=True)
class Source:
    """How a corpus recorded a modality, where it differs from corpus to corpus.

    `read` gives what `Modality.read` gives, of a Manifest's root and of a clip's recording as the Manifest names it.
    """

    channels: int | None = None
    """Of signals; None where the modality itself fixes it."""
    units: tuple[str | None, ...] = ()
    """Of each triplet of axes "g" or "m/s^2", with gravity, "deg/s", or None; none where they are unknown. What can't
    be in its unit is told."""
    hz: float | None = None
    """The rate of signals, where it is one and known: a video beside one lasts as long."""
    joints: Joints | None = None
    """Of skeletons; None for the first Kinect's."""
    gaps: bool = False
    """Whether all axes of a triplet or of a joint may be NaN, where its sensor has no sample or it wasn't found."""
    by_header: bool = False
    """Whether a scan believes the headers of files: what is to be known of them is then noted as they are decoded."""
    read: Callable[[Path, str, int | None], np.ndarray] | None = None
    """Of a root, a recording's name and a rate in Hz (None: as recorded); None where it is `Modality.read`."""
    notes: Callable[[Path, str], dict[str, str]] = lambda root, name: {}
    """Of a root and a recording's name: what a scan notes of it, by kind, that `read` doesn't give."""
    own: Callable[[Path], str] | None = None
    """The name, below the folder it lies in, of a recording in no Manifest; ValueError where the path is none."""
    files: Callable[[str], Sequence[str]] = lambda name: (name,)
    """The files that a recording's name stands for, where those are several."""


class Modality(ABC):
    """One kind of input. A corpus names the recordings; a recipe the settings and how clips vary; an encoder takes it.

    `Settings` are what a scale or a recipe says of the input, `Input` is what follows for a corpus: what its shards
    store and what a network sees, all of it part of a run's key. `Augmentation` is how training clips vary; its fields
    are numbers, and 0 is not at all. All three are frozen pydantic dataclasses.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    """In tables, where a corpus doesn't say what its recordings show."""
    counted: ClassVar[str] = "samples"
    """What the length of a recording is counted in."""
    endings: ClassVar[tuple[str, ...]]
    """Of its files' names, in lower case."""
    Settings: ClassVar[type]
    Input: ClassVar[type]
    Augmentation: ClassVar[type]

    def named(self, shows: str | None) -> str:
        """In tables: by what a corpus's recordings show ("RGB", "Drawn figure"), else by its own label."""
        return shows[:1].upper() + shows[1:] if shows else self.label

    # Recordings

    def accept(self, source: Source) -> None:  # noqa: B027
        """Raises ValueError for a Source that can be none of this modality's."""

    @abstractmethod
    def found(self, root: Path, name: str, source: Source) -> Found:
        """What a scan has to know of a recording. Raises ValueError where it is bad."""

    def examine(self, file: Path, source: Source) -> Found:
        """The same of a file, in a process of its own."""
        return self.found(file.parent, file.name, source)

    def remarks(self, found: Mapping[str, Found], source: Source) -> list[str]:
        """What a reader of results should know of all files of a corpus, by name; a line for each kind."""
        return []

    def remarks_of(self, found: Found, source: Source) -> list[str]:
        """The same of one recording."""
        return []

    def remarks_beside(self, found: Sequence[Mapping[str, Found]], source: Source) -> list[str]:
        """The same of clips, each with what was found of it by modality."""
        return []

    def own(self, path: Path, source: Source) -> str:
        """The name of a recording in no Manifest, below the folder it lies in. Raises ValueError where it is none."""
        if source.own:
            return source.own(path)
        if not path.name.lower().endswith(self.endings) or path.is_dir():
            raise ValueError(f"is no file of {self.name}, which ends in {' or '.join(self.endings)}")
        return path.name

    # Shards

    @abstractmethod
    def input(self, settings: Any, source: Source, longest: Callable[[int | None], int]) -> Any:
        """The Input of a corpus; `longest(rate)` is how many samples or frames its longest recording has."""

    @abstractmethod
    def stored(self, given: Any) -> dict[str, Any]:
        """Which of an Input's fields decide what a shard stores."""

    @abstractmethod
    def shape(self, given: Any) -> tuple[int, ...]:
        """Of a stored clip, padded."""

    dtype: ClassVar[type] = np.float32

    def bytes(self, given: Any) -> int:
        """Of a stored clip."""
        return int(np.prod(self.shape(given))) * np.dtype(self.dtype).itemsize

    @abstractmethod
    def load(
        self, root: Path, name: str, count: int, source: Source, given: Any, note: Note = lambda notes: None
    ) -> tuple[np.ndarray, int]:
        """A recording as a shard stores it, and its true length; `count` is what a scan found. Raises ValueError."""

    def missing(self, given: Any) -> tuple[np.ndarray, int]:
        """What stands for a recording that isn't there: padding alone."""
        return np.zeros(self.shape(given), self.dtype), 0

    # One clip to be predicted

    least: ClassVar[int] = 1
    """Samples or frames that it has at least."""
    request: ClassVar[Literal["rows", "file"]] = "rows"
    """What a request to the server holds: rows of numbers, or a file's bytes in base64."""

    def check_length(self, length: int) -> None:
        """Raises ValueError where it is too short."""
        if length < self.least:
            raise ValueError(f"{length} samples are too few: the network looks at {self.least} at a time.")

    def from_rows(
        self, rows: Sequence[Sequence[float | None]], source: Source, given: Any
    ) -> tuple[tuple[np.ndarray, int], Found]:
        """A request's rows as `load` gives a file's, and what a scan would find. Raises ValueError where it would."""
        raise ValueError(f"{self.name} is sent as a file")

    @abstractmethod
    def example(self, source: Source) -> Any:
        """A second of it, as a request holds it."""

    # What a network sees

    def describe(self, given: Any) -> str:
        """An Input in words, as the report says the scale; nothing where there is nothing to say."""
        return ""

    @abstractmethod
    def channels(self, given: Any) -> int:
        """Of what the encoder gets: its last dimension."""

    def decided(self, given: Any) -> dict[str, int]:
        """What of an encoder's settings the input decides, by their names; an encoder has some of them."""
        return {"channels": self.channels(given)}

    def see(self, x: Tensor, length_B: Tensor, given: Any, how: Any | None) -> tuple[Tensor, Tensor]:
        """What the network sees of stored clips (B, L, ...) and their true lengths; varied where `how` is given.

        The part that draws and looks at values, before the device.
        """
        return x, length_B

    def arrive(self, x: Tensor, length_B: Tensor, given: Any) -> Tensor:
        """The rest of it, which is arithmetic on whole batches, on the device."""
        return x

    def values(self, x: Tensor) -> Tensor:
        """In the unit that an encoder's mean and standard deviation are of."""
        return x

    @abstractmethod
    def drawn(self, given: Any, clips: int, draw: Generator) -> Tensor:
        """So many made-up clips as a network sees them, to compare two networks by."""

    def pictured(self, seen: np.ndarray, weight: np.ndarray, source: Source) -> tuple[np.ndarray, np.ndarray]:
        """What the report draws of a clip that a network saw, and of how much of the prediction hangs on each part.

        Frames (L, H, W, C) with weights (L, H, W), or a signal (L, C) with weights (L,).
        """
        return seen, weight

    def ineffective(self, given: Any, how: Any) -> str | None:
        """Which augmentation would change no clip, and why; None where all would."""
        return None

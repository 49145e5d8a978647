"""Inertial signals: triplets of axes, at one rate or as each sensor recorded them. S samples, C channels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic.dataclasses import dataclass

from datasets.files.sandbox import Found
from datasets.modalities.modality import FROZEN, Modality, Note, Source
from datasets.signals import inertial, units

if TYPE_CHECKING:
    from torch import Generator, Tensor

LEAST_SAMPLES = 46  # valid convolutions of 24, 16 and 8 (paper section 3.1): what one output of its encoder looks at
ONE_LENGTH = "signals aren't resampled to one length: add --set resampled 128"


@dataclass(frozen=True, config=FROZEN)
class Settings:
    resampled: int | None = None
    """Samples that the network sees, made of a clip's own; None: all of them, padded to the longest signal's."""
    rate: int | None = None
    """Hz of all channels on one time axis, by time stamp, where sensors have rates of their own (MMAct)."""


@dataclass(frozen=True, config=FROZEN)
class Input:
    """`samples` is the longest signal's; a shorter one is padded with zeros."""

    samples: int
    channels: int
    rate: int | None = None
    resampled: int | None = None

    def __post_init__(self) -> None:
        if self.samples < LEAST_SAMPLES:
            raise ValueError(f"samples={self.samples}: the IMU encoder needs {LEAST_SAMPLES} inertial samples or more.")


@dataclass(frozen=True, config=FROZEN)
class Augmentation:
    rotation: float = 0.0
    """Of the sensor, standard deviation in degrees."""
    noise: float = 0.0
    """Standard deviation as a share of each channel's own in the clip."""
    warp: float = 0.0
    """Standard deviation of the logarithm of the speed along a clip."""
    crop: float = 0.0
    """The largest share of a signal that is left out at its ends."""
    scale: float = field(default=0.0, metadata={"left_out_at": 0.0})
    """Of each channel, standard deviation of the logarithm of the factor."""

    def __post_init__(self) -> None:
        if min(vars(self).values()) < 0 or self.crop >= 1:
            raise ValueError(f"{self}: nothing is below 0, and crop is below 1.")


class Imu(Modality):
    name, label = "imu", "IMU"
    endings = tuple(inertial.SIGNALS)
    least = LEAST_SAMPLES
    Settings, Input, Augmentation = Settings, Input, Augmentation

    def accept(self, source: Source) -> None:
        channels = source.channels or 0
        if channels < 3 or channels % 3:
            raise ValueError(f"channels={channels}: signals are triplets of axes; leave out what has no three.")
        if source.units and len(source.units) != channels // 3:
            raise ValueError(f"units={source.units}: one for each of {channels // 3} triplets of axes, or None.")

    def found(self, root: Path, name: str, source: Source) -> Found:
        signal = self.read(root, name, source)
        return Found(len(signal), levels=units.levels(signal))

    def remarks(self, found: Mapping[str, Found], source: Source) -> list[str]:
        words = units.warning([each.levels for each in found.values()], source.units)
        return [f"WARNING: {words}"] if words else []

    def remarks_of(self, found: Found, source: Source) -> list[str]:
        return self.remarks({"": found}, source)

    def remarks_beside(self, found: Sequence[Mapping[str, Found]], source: Source) -> list[str]:
        """The rate of the signals, by how long what was recorded beside them lasts."""
        pairs = [(clip[self.name], each) for clip in found for name, each in clip.items() if name != self.name]
        plain = [(signal.count, beside.seconds) for signal, beside in pairs if "slow" not in beside.notes]
        words = units.rate_warning([count for count, _ in plain], [seconds for _, seconds in plain], source.hz)
        return [f"WARNING: {words}"] if words else []

    def read(self, root: Path, name: str, source: Source, rate: int | None = None) -> np.ndarray:
        """(S, C) float32, as recorded or at a rate in Hz. Raises ValueError as `checked` does."""
        if source.read:
            return self.checked(source.read(root, name, rate), source)
        if rate is not None:
            raise ValueError(f"rate={rate}: this corpus has one rate and no time stamps; leave the recipe's rate out.")
        return self.checked(inertial.read_signal(root / name), source)

    def checked(self, signal: np.ndarray, source: Source) -> np.ndarray:
        """The signal as float32. Raises ValueError unless it is (S, C) finite numbers of the corpus's C channels."""
        if signal.ndim != 2 or not len(signal) or signal.shape[1] != source.channels:
            raise ValueError(f"is {'x'.join(map(str, signal.shape))}, not samples x {source.channels}")
        bad = ~np.isfinite(signal)
        if source.gaps:
            axes = np.isnan(signal).reshape(len(signal), -1, 3)
            bad &= ~np.repeat(axes.all(axis=2), 3, axis=1)
        if bad.any():
            raise ValueError(f"has {int(bad.sum())} values that are NaN or infinite")
        return signal.astype(np.float32, copy=False)

    def input(self, settings: Settings, source: Source, longest: Callable[[int | None], int]) -> Input:
        assert source.channels
        return Input(longest(settings.rate), source.channels, settings.rate, settings.resampled)

    def stored(self, given: Input) -> dict[str, int | None]:
        return {"samples": given.samples, "channels": given.channels, "rate": given.rate}

    def shape(self, given: Input) -> tuple[int, int]:
        return given.samples, given.channels

    def load(
        self, root: Path, name: str, count: int, source: Source, given: Input, note: Note = lambda notes: None
    ) -> tuple[np.ndarray, int]:
        return self.padded(self.read(root, name, source, given.rate), given)

    def padded(self, signal: np.ndarray, given: Input) -> tuple[np.ndarray, int]:
        """A signal (S, C) as a shard stores it; one longer than the corpus's longest keeps its length."""
        return inertial.pad_signal(signal, max(given.samples, len(signal)))

    def from_rows(
        self, rows: Sequence[Sequence[float | None]], source: Source, given: Input
    ) -> tuple[tuple[np.ndarray, int], Found]:
        signal = self._table(rows, source)
        return self.padded(signal, given), Found(len(signal), levels=units.levels(signal))

    def _table(self, rows: Sequence[Sequence[float | None]], source: Source) -> np.ndarray:
        samples = [list(sample) for sample in rows]
        try:
            return self.checked(np.array(samples, np.float32), source)  # pyright: ignore[reportArgumentType]
        except ValueError as error:
            widths = sorted({len(sample) for sample in samples})
            raise ValueError(f"imu {error}" if len(widths) == 1 else f"imu has samples of {widths} channels") from None

    def example(self, source: Source) -> list[list[float]]:
        """Of a still sensor."""
        assert source.channels
        stated = source.units or (None,) * (source.channels // 3)
        down = np.repeat([units.GRAVITY.get(unit or "", 0.0) for unit in stated], 3) * ([0.0, 1.0, 0.0] * len(stated))
        return (down + 0.01 * np.sin(np.arange(50.0)[:, None] + np.arange(source.channels))).tolist()

    def channels(self, given: Input) -> int:
        return given.channels

    def decided(self, given: Input) -> dict[str, int]:
        return {"channels": given.channels, "samples": given.resampled or given.samples}

    def see(self, x: Tensor, length_B: Tensor, given: Input, how: Augmentation | None) -> tuple[Tensor, Tensor]:
        from datasets.signals import augment

        if given.resampled:
            x = augment.resample(x, length_B, given.resampled, how)
            length_B = length_B.clamp(max=1) * given.resampled  # a recording that is missing has no length
        return (augment.vary(x, how) if how else x), length_B

    def drawn(self, given: Input, clips: int, draw: Generator) -> Tensor:
        import torch

        return 50 * torch.randn(clips, given.resampled or given.samples, given.channels, generator=draw)

    def ineffective(self, given: Input, how: Augmentation) -> str | None:
        for name in ("warp", "crop"):
            if getattr(how, name) and not given.resampled:
                return f"{name} {getattr(how, name):g} changes nothing where {ONE_LENGTH}, or set it to 0."
        return None

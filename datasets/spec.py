"""How a corpus is split and sampled, as data. No torch, no ray."""

from dataclasses import asdict
from typing import Any, Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

FROZEN = ConfigDict(extra="forbid")

# Valid convolutions of 24, 16 and 8 (paper section 3.1): what one output of the IMU encoder looks at.
LEAST_SAMPLES = 46


@dataclass(frozen=True, config=FROZEN)
class Protocol:
    """Which clips train and which are tested, by one column of the Manifest; values in neither are left out."""

    column: str
    train: tuple[int, ...]
    test: tuple[int, ...]
    kind: str
    """What stands beside every score: "cross-subject" where nobody who is tested was trained on."""


@dataclass(frozen=True, config=FROZEN)
class Sampling:
    """What every clip becomes: `frames` RGB frames of `size` x `size` pixels and `samples` inertial samples.

    Frames are taken uniformly over a longer clip, all of them from a shorter one; what is missing is padding.
    """

    frames: int
    size: int
    samples: int
    crop: Literal["frame", "motion"] = "frame"
    """The whole frame, or the square in which something moves in this clip (static cameras)."""
    channels: int = 6
    """Inertial: 6 of UTD-MHAD, 12 of MMAct."""
    rate: int | None = None
    """Hz of all channels on one time axis; None where each sensor's samples follow one another at its own rate."""

    def __post_init__(self) -> None:
        if self.frames < 1 or self.size < 1:
            raise ValueError(f"frames={self.frames}, size={self.size}: a clip needs at least one frame of one pixel.")
        if self.samples < LEAST_SAMPLES:
            raise ValueError(f"samples={self.samples}: the IMU encoder needs {LEAST_SAMPLES} inertial samples or more.")

    @property
    def video_bytes(self) -> int:
        """Of one clip's decoded frames."""
        return self.frames * self.size * self.size * 3

    @property
    def imu_bytes(self) -> int:
        """Of one clip's padded signal."""
        return self.samples * self.channels * 4

    def to_json(self) -> dict[str, Any]:
        """Without what came later where it is as it was: shards that a lab already has keep their folder."""
        dumped = asdict(self)  # pyright: ignore[reportArgumentType]
        later = {"channels": 6, "rate": None}
        return {name: value for name, value in dumped.items() if name not in later or value != later[name]}


@dataclass(frozen=True, config=FROZEN)
class Augmentation:
    """How training clips vary; zero is not at all. Test clips never do."""

    rotation: float = 0.0
    """Of the inertial sensor, standard deviation in degrees."""
    noise: float = 0.0
    """Standard deviation as a share of each channel's own in the clip."""
    warp: float = 0.0
    """Standard deviation of the logarithm of the speed along a clip."""
    crop: float = 0.0
    """The largest share of a signal that is left out at its ends."""
    video: float = 0.0
    """The largest share of a video's time that is left out; above zero its frames are cropped at random too."""
    missing: float = 0.0
    """How often a clip of a fusion lacks one of its modalities, either as often (modality dropout)."""

    def __post_init__(self) -> None:
        values = vars(self).values()
        if min(values) < 0 or max(self.crop, self.video) >= 1 or self.missing > 1:
            raise ValueError(f"{self}: nothing is below 0; crop and video are below 1, missing is at most 1.")

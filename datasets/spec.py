"""How a corpus is sampled, as data. No torch, no ray."""

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

FROZEN = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=FROZEN)
class Sampling:
    """What every clip becomes: `frames` RGB frames of `size` x `size` pixels and `samples` inertial samples.

    Frames are taken uniformly over a longer clip, all of them from a shorter one; what is missing is padding.
    """

    frames: int
    size: int
    samples: int

    def __post_init__(self) -> None:
        if self.frames < 1 or self.size < 1:
            raise ValueError(f"frames={self.frames}, size={self.size}: a clip needs at least one frame of one pixel.")
        # Valid convolutions of 24, 16 and 8 take 45 samples off (paper section 3.1).
        if self.samples < 46:
            raise ValueError(f"samples={self.samples}: the IMU encoder needs at least 46 inertial samples.")

    @property
    def video_bytes(self) -> int:
        """Of one clip's decoded frames."""
        return self.frames * self.size * self.size * 3

    @property
    def imu_bytes(self) -> int:
        """Of one clip's padded signal of six channels."""
        return self.samples * 6 * 4

"""What is trained, as data. No torch.

The paper leaves filters, dropout, pooling and widths open; these are the usual ones (Saeed et al. 2019; S3D's own).
"""

from typing import Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

FROZEN = ConfigDict(extra="forbid")

# S3D's blocks by the names the paper uses, and where torchvision keeps them in `features`.
S3D_BLOCKS = {
    "Conv_1a": 0,
    "Conv_2b": 2,
    "Conv_2c": 3,
    "Mixed_3b": 5,
    "Mixed_3c": 6,
    "Mixed_4b": 8,
    "Mixed_4c": 9,
    "Mixed_4d": 10,
    "Mixed_4e": 11,
    "Mixed_4f": 12,
    "Mixed_5b": 14,
    "Mixed_5c": 15,
}


@dataclass(frozen=True, config=FROZEN)
class ImuModel:
    """Section 3.1: three blocks of 1-D convolution, dropout, ReLU; then a two-layer MLP."""

    channels: int = 6
    filters: tuple[int, int, int] = (32, 64, 96)
    kernels: tuple[int, int, int] = (24, 16, 8)
    dropout: float = 0.1
    hidden: int = 1024
    batchnorm: bool = False
    head_dropout: float = 0.0


@dataclass(frozen=True, config=FROZEN)
class VideoModel:
    """Section 3.2: S3D. `weights` is "none", "kinetics400" or "sha256:..." of a file.

    BatchNorm momentum 0.1: torchvision's 0.001 leaves a network trained from scratch at chance in evaluation.
    """

    weights: str = "none"
    dropout: float = 0.2
    batchnorm_momentum: float = 0.1


@dataclass(frozen=True, config=FROZEN)
class FusionModel:
    """Section 3.3: the two embeddings joined, a two-layer MLP; `finetuned` blocks of S3D train with it.

    `by` "concatenation" is the paper's. "attention" lets each embedding sequence attend to the other before they are
    pooled and concatenated, which its conclusion names as the next step. `imu` and `video` are the encoders of a
    network that is trained in one stage; None where stage 1 trained them.
    """

    hidden: int = 512
    head_dropout: float = 0.0
    finetuned: tuple[str, ...] = ("Mixed_4c", "Mixed_5c")
    finetuned_imu: bool = True
    by: Literal["concatenation", "attention"] = "concatenation"
    imu: ImuModel | None = None
    video: VideoModel | None = None

    def __post_init__(self) -> None:
        unknown = [name for name in self.finetuned if name not in S3D_BLOCKS]
        if unknown:
            raise ValueError(f"finetuned={unknown}: S3D has no such block, only {', '.join(S3D_BLOCKS)}.")
        if (self.imu is None) != (self.video is None):
            raise ValueError(f"{self}: one stage needs both encoders, two stages name neither.")

    @property
    def words(self) -> list[str]:
        """What sets it apart from the paper's, for a run's name."""
        if self.imu:
            return ["one-stage"]
        tuned = {(): ["frozen"], tuple(S3D_BLOCKS): ["all-finetuned"]}.get(self.finetuned, [])
        return tuned + ["attention"] * (self.by == "attention")

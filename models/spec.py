"""What is trained, as data. No torch.

The paper leaves filters, dropout, pooling and widths open; these are the usual ones (Saeed et al. 2019; S3D's own).
"""

from typing import Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from models.parts import IMU, JOINTS, VIDEO, check

FROZEN = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=FROZEN)
class ImuModel:
    """Section 3.1: three blocks of 1-D convolution, dropout, ReLU; then a two-layer MLP.

    `encoder` is the paper's "cnn" or another of models/parts.py, which takes of the other fields what it knows.
    """

    channels: int = 6
    filters: tuple[int, int, int] = (32, 64, 96)
    kernels: tuple[int, int, int] = (24, 16, 8)
    dropout: float = 0.1
    hidden: int = 1024
    encoder: str = "cnn"

    def __post_init__(self) -> None:
        check("encoder", self.encoder, IMU)


@dataclass(frozen=True, config=FROZEN)
class VideoModel:
    """Section 3.2: S3D. `weights` is "none", "kinetics400" or "sha256:..." of a file.

    BatchNorm momentum 0.1: torchvision's 0.001 leaves a network trained from scratch at chance in evaluation.
    `backbone` is the paper's "s3d" or another of models/parts.py, which is trained from scratch. `precision` "bf16" is
    autocast: weights and optimizer stay fp32, and so do layers that see less than three frames (models/video.py).
    """

    weights: str = "none"
    dropout: float = 0.2
    batchnorm_momentum: float = 0.1
    backbone: str = "s3d"
    precision: Literal["fp32", "bf16"] = "fp32"

    def __post_init__(self) -> None:
        check("backbone", self.backbone, VIDEO)

    @property
    def blocks(self) -> dict[str, int]:
        """Of the backbone, as models/parts.py names them."""
        return VIDEO[self.backbone].blocks

    def check_blocks(self, finetuned: tuple[str, ...]) -> None:
        """Raises ValueError for blocks that the backbone hasn't."""
        if unknown := [name for name in finetuned if name not in self.blocks]:
            listed = ", ".join(self.blocks)
            raise ValueError(f"fusion.model.finetuned {unknown}: {self.backbone} has no such block, only {listed}.")


@dataclass(frozen=True, config=FROZEN)
class FusionModel:
    """Section 3.3: the two embeddings joined, a two-layer MLP; `finetuned` blocks of the backbone train with it.

    `by` "concatenation" is the paper's; models/parts.py has the others. "attention" lets each embedding sequence attend
    to the other before they are pooled and concatenated, which the paper's conclusion names as the next step. `imu` and
    `video` are the encoders of a network that is trained in one stage; None where stage 1 trained them.
    """

    hidden: int = 512
    finetuned: tuple[str, ...] = ("Mixed_4c", "Mixed_5c")
    finetuned_imu: bool = True
    by: str = "concatenation"
    imu: ImuModel | None = None
    video: VideoModel | None = None

    def __post_init__(self) -> None:
        check("by", self.by, JOINTS)
        blocks = [name for video in VIDEO.values() for name in video.blocks]
        if unknown := [name for name in self.finetuned if name not in blocks]:
            raise ValueError(f"finetuned={unknown}: no backbone has such a block, only {', '.join(blocks)}.")
        if (self.imu is None) != (self.video is None):
            raise ValueError(f"{self}: one stage needs both encoders, two stages name neither.")
        if self.video:
            self.video.check_blocks(self.finetuned)

    @property
    def words(self) -> list[str]:
        """What sets it apart from the paper's, for a run's name."""
        if self.imu:
            return ["one-stage"]
        every = [tuple(video.blocks) for video in VIDEO.values()]
        tuned = ["frozen"] * (not self.finetuned) + ["all-finetuned"] * (self.finetuned in every)
        return tuned + [self.by] * (self.by != "concatenation")

"""What a model is made of, by name: a new part is a file of its own and a line here (models/README.md). No torch.

A line says where the part's class is. B clips, C channels, S samples, T frames, H, W pixels, L steps.
"""

from importlib import import_module
from typing import Any, NamedTuple

# Class(spec: ImuModel), `width`: a normalised signal (B, C, S) -> (B, width, L).
IMU = {
    "cnn": "models.imu:Convolutions",
}


class Video(NamedTuple):
    """`blocks` are the names by which FusionModel.finetuned knows some of the Sequential's layers, in their order."""

    where: str
    blocks: dict[str, int]


# Class(spec: VideoModel), an nn.Sequential with `width`: normalised frames (B, 3, T, H, W) -> (B, width, T', H', W').
VIDEO = {
    # S3D's blocks by the names the paper uses, and where torchvision keeps them in `features`.
    "s3d": Video(
        "models.video:S3D",
        {
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
        },
    ),
}

# Class(imu_width, video_width, hidden), `width`: (B, imu_width, L) and (B, video_width, L'), and for each how many of a
# clip's steps are true, (B,) and (B,) -> (B, width). None pools each over time, the signal's by its maximum and the
# video's by its mean, and puts one after the other.
JOINTS = {
    "concatenation": None,
    "attention": "models.attention:JointAttention",
}


def part(where: str) -> Any:
    """The class that a line names."""
    module, _, name = where.partition(":")
    return getattr(import_module(module), name)


def check(field: str, name: str, known: dict[str, Any]) -> None:
    """Raises ValueError for a part that isn't there."""
    if name not in known:
        raise ValueError(f"{field}={name!r}: there is no such part in models/parts.py, only {', '.join(known)}.")

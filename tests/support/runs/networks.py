"""Networks of stage 1, and clips for them."""

import torch
from torch import Tensor, nn

from models.build import build
from models.network import Network
from tests.support.runs import specs

CLASSES = 5
IMU, VIDEO, FUSION = specs.network("imu"), specs.network("video"), specs.network("imu", "video")


def clips(count: int = 2, frames: int = 8, size: int = 32) -> dict[str, Tensor]:
    """Full-length clips of noise."""
    return {
        "video": torch.randint(0, 256, (count, frames, size, size, 3), dtype=torch.uint8),
        "video_length": torch.full((count,), frames),
        "imu": torch.randn(count, 60, 6),
        "imu_length": torch.full((count,), 60),
        "label": torch.arange(count) % CLASSES,
    }


def trained() -> dict[str, Network]:
    """By modality, in evaluation, with statistics of BatchNorm that let a clip through."""
    imu, video = build(IMU, CLASSES, seed=0), build(VIDEO, CLASSES, seed=0)
    norms = [module for module in video.modules() if isinstance(module, nn.BatchNorm3d)]
    # The statistics of one batch: with fresh ones every clip's signal dies out on the way to the embedding.
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        video.train().logits(clips(8))
    for norm in norms:
        norm.momentum = 0.1
    return {"imu": imu.eval(), "video": video.eval()}  # pyright: ignore

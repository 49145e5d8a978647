"""Networks of stage 1, and clips for them."""

import torch
from torch import Tensor, nn

from models.build import build
from models.imu import ImuClassifier
from models.spec import ImuModel, VideoModel
from models.video import VideoClassifier

CLASSES = 5


def clips(count: int = 2, frames: int = 8, size: int = 32) -> dict[str, Tensor]:
    """Full-length clips of noise."""
    return {
        "video": torch.randint(0, 256, (count, frames, size, size, 3), dtype=torch.uint8),
        "video_length": torch.full((count,), frames),
        "imu": torch.randn(count, 60, 6),
        "imu_length": torch.full((count,), 60),
        "label": torch.arange(count) % CLASSES,
    }


def trained() -> tuple[ImuClassifier, VideoClassifier]:
    """In evaluation, with statistics of BatchNorm that let a clip through."""
    torch.manual_seed(0)
    imu, video = build(ImuModel(), CLASSES), build(VideoModel(), CLASSES)
    assert isinstance(imu, ImuClassifier) and isinstance(video, VideoClassifier)
    norms = [module for module in video.modules() if isinstance(module, nn.BatchNorm3d)]
    # The statistics of one batch: with fresh ones every clip's signal dies out on the way to the embedding.
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        video.train()(clips(8))
    for norm in norms:
        norm.momentum = VideoModel().batchnorm_momentum
    return imu.eval(), video.eval()

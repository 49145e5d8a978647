"""A thin encoder of small videos, for few clips and seconds of training. B clips, T frames, H, W pixels."""

from torch import nn

from models.encoders.s3d import VideoEncoder


class Thin(VideoEncoder):
    """Four 3-D convolutions: (B, 3, T, H, W) -> (B, 128, T / 4, H / 8, W / 8). It has 292,000 parameters.

    Each has the name of the first S3D block at its resolution or of one that stage 2 fine-tunes, so that what is
    fine-tuned of S3D is fine-tuned of this.
    """

    def __init__(self, batchnorm_momentum: float, precision: str):
        layers = nn.Sequential(
            block(3, 16, (1, 5, 5), (1, 2, 2)),
            block(16, 32, (3, 3, 3), (1, 2, 2)),
            block(32, 64, (3, 3, 3), (2, 2, 2)),
            block(64, 128, (3, 3, 3), (2, 1, 1)),
        )
        super().__init__(layers, 128, batchnorm_momentum, precision)


def block(inputs: int, outputs: int, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> nn.Sequential:
    padding = tuple(size // 2 for size in kernel)
    return nn.Sequential(
        nn.Conv3d(inputs, outputs, kernel, stride, padding, bias=False),  # pyright: ignore[reportArgumentType]
        nn.BatchNorm3d(outputs),
        nn.ReLU(),
    )

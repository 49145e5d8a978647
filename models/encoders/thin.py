"""A thin encoder of small videos, for few clips and seconds of training. B clips, T frames, H, W pixels."""

from math import prod

import torch
from torch import Tensor, nn

from models.encoders.s3d import VideoEncoder

CHANNELS = 128


class Thin(VideoEncoder):
    """Four 3-D convolutions: (B, 3, T, H, W) -> (B, 128, T / 4, H / 8, W / 8). They have 292,000 parameters.

    `parts` says into how many parts of equal size time, height and width are divided. Each is averaged on its own, and
    the averages follow one another in the embedding, so that it tells when and where something was seen. With one part
    of each it is the average over everything, as of S3D.

    Each layer has the name of the first S3D block at its resolution or of one that stage 2 fine-tunes, so that what is
    fine-tuned of S3D is fine-tuned of this.
    """

    def __init__(self, batchnorm_momentum: float, precision: str, parts: tuple[int, int, int]):
        layers = nn.Sequential(
            block(3, 16, (1, 5, 5), (1, 2, 2)),
            block(16, 32, (3, 3, 3), (1, 2, 2)),
            block(32, 64, (3, 3, 3), (2, 2, 2)),
            block(64, CHANNELS, (3, 3, 3), (2, 1, 1)),
        )
        super().__init__(layers, CHANNELS * prod(parts), batchnorm_momentum, precision)
        if min(parts) < 1:
            raise ValueError(f"parts {parts}: at least one each of time, height and width.")
        self.parts, self.whole = parts, prod(parts) == 1

    def sequence(self, features: Tensor, start: int) -> Tensor:
        """One step, where there is more than one part."""
        return super().sequence(features, start) if self.whole else self.top(features, start)[..., None]

    def top(self, features: Tensor, start: int) -> Tensor:
        if self.whole:
            return super().top(features, start)
        x = self.through(features, slice(start, None)).float()
        # torch's adaptive pooling has no form in ONNX.
        shares = (shares_of(n, parts).to(x) for n, parts in zip(x.shape[2:], self.parts, strict=True))
        return torch.einsum("bcthw,it,jh,kw->bcijk", x, *shares).flatten(1)


def shares_of(steps: int, parts: int) -> Tensor:
    """(parts, steps): the weight of each step in the average over each part; a step on an edge counts in both."""
    edges = torch.arange(parts + 1) * steps / parts
    step = torch.arange(steps)
    inside = torch.minimum(edges[1:, None], step + 1) - torch.maximum(edges[:-1, None], step)
    return inside.clamp(min=0) * parts / steps


def block(inputs: int, outputs: int, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> nn.Sequential:
    padding = tuple(size // 2 for size in kernel)
    return nn.Sequential(
        nn.Conv3d(inputs, outputs, kernel, stride, padding, bias=False),  # pyright: ignore[reportArgumentType]
        nn.BatchNorm3d(outputs),
        nn.ReLU(),
    )

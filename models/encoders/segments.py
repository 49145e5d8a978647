"""Encoders of segments: convolutions within each, then an LSTM over all of them (HAMLET, MuMu).

Islam and Iqbal, "HAMLET" (IROS 2020, arXiv 2008.01148), section III, with the widths of the first author's code
(github.com/mmiakashs/METRO). B clips, S samples, J joints or sensors, D axes, N segments, W width.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from models.encoders.encoder import Encoder
from models.encoders.skeleton import SkeletonEncoder

SAMPLES = 5  # of a segment; the last is filled up with zeros


class SkeletonSegments(SkeletonEncoder):
    """(B, S, J, D) -> (B, W, S / 5)."""

    def __init__(self, channels: int, joints: int, width: int, dropout: float):
        super().__init__(channels, _layers(channels, joints, width, dropout), width)


class SignalSegments(Encoder):
    """(B, S, 3 J) -> (B, W, S / 5); of each sensor the three axes are what those of a joint are."""

    def __init__(self, channels: int, width: int, dropout: float):
        super().__init__(channels, _layers(3, channels // 3, width, dropout), width)

    def normalise(self, x: Tensor, length_B: Tensor) -> Tensor:
        """(B, 3, S, J)."""
        return super().normalise(x, length_B).unflatten(1, (-1, 3)).permute(0, 2, 3, 1)


def _layers(axes: int, joints: int, width: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(Segments(axes, joints, width, dropout), LSTM(width))


class Segments(nn.Module):
    """(B, D, S, J) -> (B, N, W). Few sensors are not convolved with one another."""

    def __init__(self, axes: int, joints: int, width: int, dropout: float):
        super().__init__()
        kernel, padding = ((3, 3), (1, 1)) if joints > 2 else ((3, 1), (1, 0))
        self.layers = nn.Sequential(
            nn.Conv2d(axes, 32, 1), nn.BatchNorm2d(32), nn.ReLU(),
            nn.Conv2d(32, 64, kernel, padding=padding), nn.BatchNorm2d(64), nn.ReLU(),
            nn.Flatten(), nn.Linear(64 * SAMPLES * joints, width), nn.ReLU(), nn.Dropout(dropout),
        )  # fmt: skip

    def forward(self, x_BDSJ: Tensor) -> Tensor:
        parts = F.pad(x_BDSJ, (0, 0, 0, -x_BDSJ.shape[2] % SAMPLES)).unflatten(2, (-1, SAMPLES))
        parts_BNDSJ = parts.transpose(1, 2)
        return self.layers(parts_BNDSJ.flatten(0, 1)).unflatten(0, parts_BNDSJ.shape[:2])


class LSTM(nn.Module):
    """(B, N, W) -> (B, W, N): two layers in one direction."""

    def __init__(self, width: int):
        super().__init__()
        self.layers = nn.LSTM(width, width, num_layers=2, batch_first=True)

    def forward(self, x_BNW: Tensor) -> Tensor:
        return self.layers(x_BNW)[0].transpose(1, 2)

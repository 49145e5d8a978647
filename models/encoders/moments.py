"""Encoders of the moments of a clip: frozen blocks of I3D, the mean over the frame's places, then layers of a method.

I3D's strides in time leave one moment of four frames behind the blocks Mixed_4b to Mixed_4f, so 32 frames give 8.
B clips, T frames, H, W pixels, L moments, C channels of a moment, W width.
"""

from torch import Tensor, nn

from models.encoders import BLOCKS
from models.encoders.encoder import Encoder
from models.encoders.i3d import I3D
from models.encoders.segments import LSTM


class Moments(I3D):
    """(B, 3, T, H, W) -> (B, L, C) by the blocks up to `frozen`, then (B, W, L) by what a subclass adds to the layers.

    Blocks behind `frozen` do nothing, so that the others keep their places and what they give is I3D's.
    """

    sequence, top = Encoder.sequence, Encoder.top

    def __init__(self, weights: str, frozen: str, precision: str, width: int):
        super().__init__(weights, frozen, 0.1, precision)
        self.width = width
        self.channels: int = self.layers[BLOCKS[frozen]].channels  # pyright: ignore[reportAttributeAccessIssue]
        for place in range(BLOCKS[frozen] + 1, len(self.layers)):
            self.layers[place] = nn.Identity()
        self.layers.append(Mean())


class FrameSegments(Moments):
    """(B, 3, T, H, W) -> (B, W, L): a layer on each moment and an LSTM over them (HAMLET, MuMu)."""

    def __init__(self, weights: str, frozen: str, precision: str, width: int, dropout: float):
        super().__init__(weights, frozen, precision, width)
        self.layers.extend([nn.Linear(self.channels, width), nn.ReLU(), nn.Dropout(dropout), LSTM(width)])


class FrameFeatures(Moments):
    """(B, 3, T, H, W) -> (B, W, L): dropout and a layer on each moment (VSKD's teacher)."""

    def __init__(self, weights: str, frozen: str, precision: str, width: int, dropout: float):
        super().__init__(weights, frozen, precision, width)
        self.layers.extend([nn.Dropout(dropout), nn.Linear(self.channels, width), Transposed()])


class Mean(nn.Module):
    """(B, C, L, H, W) -> (B, L, C)."""

    def forward(self, x_BCLHW: Tensor) -> Tensor:
        return x_BCLHW.mean(dim=(3, 4)).transpose(1, 2)


class Transposed(nn.Module):
    def forward(self, x_BLW: Tensor) -> Tensor:
        return x_BLW.transpose(1, 2)

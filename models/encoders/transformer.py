"""CMC-CMKM's encoder of inertial signals: convolutions, then a transformer. B clips, C channels, S samples, W width."""

import math

import torch
from torch import Tensor, nn

from models.encoders.encoder import Encoder


class CNNTransformer(Encoder):
    """(B, C, S) -> (B, W S', 1), where S' is S - 6 with three convolutions of kernel 5 (Brinzea et al., IJCNN 2022).

    All steps one after the other are the embedding, 5,632 numbers of 50 samples, so a signal has `samples` of them.
    Each layer of the transformer normalises what it adds up, as its original does. Padding by one sample is the
    authors' (github.com/razzu/cmc-cmkm).
    """

    def __init__(
        self, channels: int, samples: int, filters: tuple[int, ...], kernel: int, layers: int, heads: int,
        feedforward: int, dropout: float,
    ):  # fmt: skip
        convolutions: list[nn.Module] = []
        width = channels
        for count in filters:
            convolutions += [nn.Conv1d(width, count, kernel, padding=1), nn.BatchNorm1d(count), nn.ReLU()]
            width = count
        steps = samples - len(filters) * (kernel - 3)
        layer = nn.TransformerEncoderLayer(width, heads, feedforward, dropout, batch_first=True)
        attention = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        made = [*convolutions, Positions(steps, width, dropout), attention, Flat()]
        super().__init__(channels, nn.Sequential(*made), width * steps)


class Positions(nn.Module):
    """(B, W, S) -> (B, S, W) with the sines and cosines of each step's place added (Vaswani et al., 2017)."""

    places: Tensor

    def __init__(self, steps: int, width: int, dropout: float):
        super().__init__()
        angle = torch.arange(steps)[:, None] * torch.exp(torch.arange(0, width, 2) * (-math.log(1e4) / width))
        self.register_buffer("places", torch.stack([angle.sin(), angle.cos()], dim=2).flatten(1), persistent=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x_BWS: Tensor) -> Tensor:
        return self.dropout(x_BWS.transpose(1, 2) + self.places)


class Flat(nn.Module):
    """(B, ...) -> (B, W, 1): all numbers of a clip as one step."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)[:, :, None]

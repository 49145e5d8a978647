"""The paper's encoder of inertial signals (section 3.1, figure 1 right). B clips, C channels, S samples."""

from torch import nn

from models.encoders.encoder import Encoder


class CNN(Encoder):
    """Three blocks of 1-D convolution, dropout, ReLU: (B, C, S) -> (B, 96, S - 45) of the paper's."""

    def __init__(self, channels: int, filters: tuple[int, ...], kernels: tuple[int, ...], dropout: float):
        layers: list[nn.Module] = []
        width = channels
        for count, kernel in zip(filters, kernels, strict=True):
            layers += [nn.Conv1d(width, count, kernel), nn.Dropout(dropout), nn.ReLU()]
            width = count
        super().__init__(channels, nn.Sequential(*layers), width)

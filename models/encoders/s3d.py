"""The paper's encoder of videos: S3D, torchvision's (section 3.2).

B clips, T frames, H, W pixels, C channels, L steps.
"""

import torch
from torch import Tensor, nn
from torchvision.models.video import s3d

from models.encoders.encoder import Encoder, mask_after

# What torchvision's Kinetics-400 weights were trained with.
KINETICS_MEAN = (0.43216, 0.394666, 0.37645)
KINETICS_STD = (0.22803, 0.22145, 0.216989)
# Frames. The weight gradients of a temporal convolution of three over two frames come out infinite or of the wrong
# size in bf16 (torch 2.14.1 on a CPU with AVX512-BF16). Over more they are right, and over two it takes no time.
LEAST_BF16 = 3


class VideoEncoder(Encoder):
    """video_BTHWC uint8 -> embedding (B, W); any frame size, since the pooling is over what is there.

    Its layers take normalised frames (B, 3, T, H, W) and give (B, W, L, H', W').
    """

    keeps_trunk = True

    def __init__(
        self, layers: nn.Sequential, width: int, batchnorm_momentum: float = 0.1, precision: str = "fp32"
    ):  # fmt: skip
        super().__init__(3, layers, width)
        self.bf16 = precision == "bf16"
        for module in self.modules():
            if isinstance(module, nn.BatchNorm3d):
                module.momentum = batchnorm_momentum
        self.mean.copy_(torch.tensor(KINETICS_MEAN))
        self.std.copy_(torch.tensor(KINETICS_STD))
        # Measured: 97 instead of 147 ms a clip for a training step of 16x64x64 in fp32 on two AVX2 cores.
        self.to(memory_format=torch.channels_last_3d)

    def normalise(self, x: Tensor, length_B: Tensor) -> Tensor:
        x = (x.float() / 255 - self.mean) / self.std
        # BTHWC permuted to BCTHW is channels_last_3d already.
        return mask_after(x, length_B).permute(0, 4, 1, 2, 3)

    def through(self, x: Tensor, layers: slice) -> Tensor:
        for layer in list(self.layers)[layers]:
            if self.bf16 and x.shape[2] >= LEAST_BF16:
                with torch.autocast(x.device.type, torch.bfloat16):
                    x = layer(x)
            else:
                x = layer(x.float())
        return x

    def sequence(self, features: Tensor, start: int) -> Tensor:
        return self.through(features, slice(start, None)).float().mean(dim=(3, 4))

    def top(self, features: Tensor, start: int) -> Tensor:
        return self.through(features, slice(start, None)).float().mean(dim=(2, 3, 4))

    def nothing(self, x: Tensor) -> Tensor:
        """Black."""
        return torch.zeros_like(x)


class S3D(VideoEncoder):
    """(B, 3, T, H, W) -> (B, 1024, T / 8, H / 32, W / 32).

    torchvision's own pooling has a fixed 2x7x7 window and refuses frames smaller than 224; ours is over what is there.
    """

    def __init__(self, batchnorm_momentum: float, precision: str, weights: str = "none", frozen: str = "none"):
        super().__init__(nn.Sequential(*s3d().features), 1024, batchnorm_momentum, precision)

    def load_weights(self, state: dict[str, Tensor]) -> None:
        """Weights in torchvision's S3D naming; its 400-class head is left behind."""
        features = {k.removeprefix("features."): v for k, v in state.items() if k.startswith("features.")}
        try:
            self.layers.load_state_dict(features)
        except RuntimeError as error:
            raise ValueError(f"these weights are not torchvision's S3D: {error}") from None

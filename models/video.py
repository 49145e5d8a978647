"""The video encoder, as trunk and top (paper section 3.2: S3D, torchvision's).

B clips, T frames, H, W pixels, C channels, L steps, K classes.
"""

import torch
from torch import Tensor, nn
from torchvision.models.video import s3d

from models.imu import mask_after
from models.parts import VIDEO, part
from models.spec import VideoModel

# What torchvision's Kinetics-400 weights were trained with.
KINETICS_MEAN = (0.43216, 0.394666, 0.37645)
KINETICS_STD = (0.22803, 0.22145, 0.216989)
# Frames. The weight gradients of a temporal convolution of three over two frames come out infinite or of the wrong
# size in bf16 (torch 2.14.1 on a CPU with AVX512-BF16). Over more they are right, and over two it takes no time.
LEAST_BF16 = 3


class S3D(nn.Sequential):
    """The paper's: (B, 3, T, H, W) -> (B, 1024, T / 8, H / 32, W / 32)."""

    width = 1024

    def __init__(self, spec: VideoModel):
        super().__init__(*s3d().features)


class VideoEncoder(nn.Module):
    """video_BTHWC uint8 -> embedding (B, W), 1024 of S3D; any frame size, since the pooling is over what is there.

    torchvision's own pooling has a fixed 2x7x7 window and refuses frames smaller than 224.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, spec: VideoModel):
        super().__init__()
        self.register_buffer("mean", torch.tensor(KINETICS_MEAN))
        self.register_buffer("std", torch.tensor(KINETICS_STD))
        self.features = part(VIDEO[spec.backbone].where)(spec)
        self.width: int = self.features.width
        self.blocks = spec.blocks
        self.bf16 = spec.precision == "bf16"
        for module in self.modules():
            if isinstance(module, nn.BatchNorm3d):
                module.momentum = spec.batchnorm_momentum
        # Measured: 97 instead of 147 ms a clip for a training step of 16x64x64 in fp32 on two AVX2 cores.
        self.to(memory_format=torch.channels_last_3d)

    def normalise(self, video_BTHWC: Tensor, length_B: Tensor) -> Tensor:
        x = (video_BTHWC.float() / 255 - self.mean) / self.std
        # BTHWC permuted to BCTHW is channels_last_3d already.
        return mask_after(x, length_B).permute(0, 4, 1, 2, 3)

    def trunk(self, video_BTHWC: Tensor, length_B: Tensor, before: int) -> Tensor:
        """The output of the layers before `before`."""
        return self._through(self.normalise(video_BTHWC, length_B), slice(before))

    def _through(self, x: Tensor, layers: slice) -> Tensor:
        for layer in list(self.features)[layers]:
            if self.bf16 and x.shape[2] >= LEAST_BF16:
                with torch.autocast(x.device.type, torch.bfloat16):
                    x = layer(x)
            else:
                x = layer(x.float())
        return x

    def top(self, features_BCTHW: Tensor, start: int) -> Tensor:
        """The rest, from the trunk's output to the embedding."""
        return self._through(features_BCTHW, slice(start, None)).float().mean(dim=(2, 3, 4))

    def sequence(self, features_BCTHW: Tensor, start: int) -> Tensor:
        """(B, W, L), of S3D (B, 1024, T / 8): the embedding before it is pooled over time."""
        return self._through(features_BCTHW, slice(start, None)).float().mean(dim=(3, 4))

    def forward(self, video_BTHWC: Tensor, length_B: Tensor) -> Tensor:
        return self.top(self.normalise(video_BTHWC, length_B), 0)


class VideoClassifier(nn.Module):
    """Stage 1 of the video side: a batch with video and video_length -> logits_BK."""

    def __init__(self, spec: VideoModel, classes: int):
        super().__init__()
        self.encoder = VideoEncoder(spec)
        self.head = nn.Sequential(nn.Dropout(spec.dropout), nn.Linear(self.encoder.width, classes))

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        return self.head(self.encoder(batch["video"], batch["video_length"]))

    def load_weights(self, state: dict[str, Tensor]) -> None:
        """Weights in torchvision's S3D naming; its 400-class head is left behind."""
        features = {k.removeprefix("features."): v for k, v in state.items() if k.startswith("features.")}
        try:
            self.encoder.features.load_state_dict(features)
        except RuntimeError as error:
            raise ValueError(f"these weights are not torchvision's S3D: {error}") from None

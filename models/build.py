"""Build a network from its spec."""

from torch import nn

from models.fusion import Fusion
from models.imu import ImuClassifier
from models.spec import FusionModel, ImuModel, VideoModel
from models.video import VideoClassifier


def build(spec: ImuModel | VideoModel, classes: int) -> ImuClassifier | VideoClassifier:
    """A stage-1 network with fresh weights from torch's global seed."""
    return ImuClassifier(spec, classes) if isinstance(spec, ImuModel) else VideoClassifier(spec, classes)


def build_fusion(spec: FusionModel, imu: nn.Module, video: nn.Module, classes: int) -> Fusion:
    """A stage-2 network on top of two trained stage-1 networks."""
    assert isinstance(imu, ImuClassifier) and isinstance(video, VideoClassifier)
    return Fusion(spec, imu.encoder, video.encoder, classes)

"""Build a network from its spec. torchvision (three seconds of import) is only paid for by runs that see video."""

from torch import Tensor, nn

from models.imu import ImuClassifier
from models.spec import FusionModel, ImuModel, VideoModel


def build(spec: ImuModel | VideoModel, classes: int) -> nn.Module:
    """A stage-1 network with fresh weights from torch's global seed."""
    if isinstance(spec, ImuModel):
        return ImuClassifier(spec, classes)
    from models.video import VideoClassifier

    return VideoClassifier(spec, classes)


def build_fusion(spec: FusionModel, imu: nn.Module, video: nn.Module, classes: int) -> nn.Module:
    """A stage-2 network on top of two trained stage-1 networks."""
    from models.fusion import Fusion
    from models.video import VideoClassifier

    assert isinstance(imu, ImuClassifier) and isinstance(video, VideoClassifier)
    return Fusion(spec, imu.encoder, video.encoder, classes)


def restore(model: nn.Module, state: dict[str, Tensor]) -> None:
    """Load what a run saved. While there was a dropout in front of it, an MLP's last layer was head.3."""
    model.load_state_dict({k.replace("head.3.", "head.2.") if k.startswith("head.3.") else k: state[k] for k in state})

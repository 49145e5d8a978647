"""Stage 2 (paper section 3.3): both embeddings joined, a two-layer MLP. B clips, K classes."""

import torch
from torch import Tensor, nn

from models.imu import ImuEncoder
from models.parts import JOINTS, part
from models.spec import FusionModel
from models.video import VideoEncoder


class Fusion(nn.Module):
    """A batch with imu, video (or what `trunk` makes of it) and their lengths -> logits_BK.

    Of the video's encoder only the fine-tuned blocks train; the rest is frozen, BatchNorm statistics included, in every
    mode.
    """

    def __init__(self, spec: FusionModel, imu: ImuEncoder, video: VideoEncoder, classes: int):
        super().__init__()
        self.imu = imu
        self.video = video
        where = JOINTS[spec.by]
        self.joint = part(where)(imu.width, video.width, spec.hidden) if where else None
        width = self.joint.width if self.joint else imu.width + video.width
        self.head = nn.Sequential(nn.Linear(width, spec.hidden), nn.ReLU(), nn.Linear(spec.hidden, classes))
        self.finetuned = [video.blocks[name] for name in spec.finetuned]
        self.finetuned_imu = spec.finetuned_imu
        self.trunk_end = min(self.finetuned, default=len(video.features))
        self.imu.requires_grad_(spec.finetuned_imu)
        self.video.requires_grad_(False)
        for i in self.finetuned:
            self.video.features[i].requires_grad_(True)
        self.train()  # a fresh module counts as training all through, frozen BatchNorm included

    def train(self, mode: bool = True) -> "Fusion":
        super().train(mode)
        self.imu.train(mode and self.finetuned_imu)
        self.video.eval()
        for i in self.finetuned:
            self.video.features[i].train(mode)
        return self

    def trunk_bytes(self, frames: int, size: int) -> int:
        """Size of the trunk's output for one clip."""
        return self.blank(frames, size)["trunk"].nbytes

    def blank(self, frames: int, size: int) -> dict[str, Tensor]:
        """The trunk's output for one clip whose video is missing."""
        device = self.video.mean.device
        video = torch.zeros(1, frames, size, size, 3, dtype=torch.uint8, device=device)
        return self.trunk({"video": video, "video_length": torch.tensor([0], device=device)})

    @torch.no_grad()
    def trunk(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """What the frozen layers make of a batch's video, a constant of each clip: trunk, trunk_length in steps."""
        video, length = batch["video"], batch["video_length"]
        made = self.video.trunk(video, length, self.trunk_end)
        return {"trunk": made, "trunk_length": steps_of(length, video.shape[1], made.shape[2])}

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        seen = batch if "trunk" in batch else self.trunk(batch)
        if self.joint:
            imu = self.imu.sequence(batch["imu"], batch["imu_length"])
            video = self.video.sequence(seen["trunk"], self.trunk_end)
            imu_steps = steps_of(batch["imu_length"], batch["imu"].shape[1], imu.shape[2])
            video_steps = steps_of(seen["trunk_length"], seen["trunk"].shape[2], video.shape[2])
            return self.head(self.joint(imu, video, imu_steps, video_steps))
        embeddings = (
            self.imu(batch["imu"], batch["imu_length"]),
            self.video.top(seen["trunk"], self.trunk_end),
        )
        return self.head(torch.cat(embeddings, dim=1))


def steps_of(length_B: Tensor, before: int, after: int) -> Tensor:
    """How many of `after` steps are of the true ones where `before` steps became so many; those in part are."""
    return (length_B * after + before - 1) // before

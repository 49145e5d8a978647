"""What stored frames, of videos or of depth, become before a network sees them: cropped, at random in training, and
shown as motion.

Draws come from torch's global generator, which `orchestrator/worker/train.py` seeds for each epoch.
Shapes: B clips, T frames, H, W pixels, C channels.
"""

import torch
from torch import Tensor


def view(video_BTHWC: Tensor, length_B: Tensor, frames: int, size: int, crop: float = 0.0) -> tuple[Tensor, Tensor]:
    """`frames` frames of `size` x `size` out of larger ones, and how many are true; without `crop` from the middle.

    With `crop`, the largest share of a clip's time that is left out, each clip's part of the time and of the frame are
    drawn. Nothing is flipped: left and right are classes.
    """
    count, _, stored, _, channels = video_BTHWC.shape
    out = video_BTHWC.new_zeros(count, frames, size, size, channels)
    kept = length_B.clamp(max=frames)
    spare = stored - size
    for i, (length, n) in enumerate(zip(length_B.tolist(), kept.tolist(), strict=True)):
        first, last, top, left = 0.0, length - 1.0, spare // 2, spare // 2
        if crop:
            part, start = torch.rand(2).tolist()
            part = 1 - crop * part
            first, last = start * (1 - part) * (length - 1), (start * (1 - part) + part) * (length - 1)
            top, left = torch.randint(0, spare + 1, (2,)).tolist()
        times = torch.linspace(first, last, n).round().long()
        out[i, :n] = video_BTHWC[i, times, top : top + size, left : left + size]
    return out, kept


def motion(video_BTHWC: Tensor, length_B: Tensor) -> Tensor:
    """Brightness, what differs from the frame before, and from the clip's own background, instead of three colours.

    uint8 of the same shape; differences are halved and 128 is none. For static cameras. Frames after a clip's length
    are padding: they have no say in its background.
    """
    grey = video_BTHWC.float().mean(dim=4)
    before = torch.cat([grey[:, :1], grey[:, :-1]], dim=1)
    padding = torch.arange(grey.shape[1], device=grey.device)[None] >= length_B[:, None]
    true = grey.masked_fill(padding[:, :, None, None], torch.nan)
    background = true.nanmedian(dim=1, keepdim=True).values.nan_to_num(nan=0.0)
    channels = torch.stack([grey, 128 + (grey - before) / 2, 128 + (grey - background) / 2], dim=4)
    return channels.round().clamp(0, 255).to(torch.uint8)

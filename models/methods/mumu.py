"""MuMu (Islam and Iqbal, AAAI 2022): the group of an action is classified too, and guides the fusion; end to end.

Of the paper only the abstract could be read. The network (`models/joins/guided.py`) is what two independent programs
agree on, github.com/THU-CS-PI-LAB/MMTSA and github.com/COMP4901D/MMA; its encoders are HAMLET's, with 128 numbers
each, those of frames included (`hamlet.py` says what stands for ResNet-50 there). Readings: the guided mixture is a sum
with an output projection, as attention usually has it; the loss of the groups counts half; optimizer, batch, epochs
and resampling are HAMLET's; the last epoch is tested. The paper's groups are given nowhere. Those of UTD-MHAD are its
four kinds of actions (sports, gestures, exercises, daily life), those of MMAct ours.
B clips, K classes, G groups.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.methods import Method, Stage
from models.network import Batch
from models.objectives.classification import Classification

SHARE = 0.5  # of the loss of the groups
UTD_MHAD = {
    "gestures": "01 02 03 04 06 08 09 10 11",
    "sports": "05 07 12 13 14 15 17",
    "exercises": "16 22 26 27",
    "daily life": "18 19 20 21 23 24 25",
}
MMACT = {
    "carrying": "carrying carrying_heavy carrying_light picking_up pulling pushing setting_down throwing"
    " transferring_object",
    "gait": "walking running jumping loitering entering exiting kicking fall",
    "posture": "sitting sitting_down standing standing_up crouching looking_around",
    "hands": "opening closing drinking pocket_in pocket_out checking_time using_pc using_phone",
    "social": "talking talking_on_phone pointing waving_hand",
}


def groups(classes: int) -> list[int]:
    """Of each class its group. Raises ValueError for a number of classes of which none are known."""
    utd, mmact = (
        {name: i for i, names in enumerate(known.values()) for name in names.split()} for known in (UTD_MHAD, MMACT)
    )
    of_mmact = [mmact[name] for name in sorted(mmact)]  # in the order of the corpus's classes
    desk = [mmact["talking_on_phone"], mmact["using_phone"]]  # of which MMAct's 37 have two more at the desk
    known = {27: [utd[name] for name in sorted(utd)], 35: of_mmact, 37: of_mmact + desk}
    if classes not in known:
        raise ValueError(
            f"MuMu: groups of actions are known of {', '.join(map(str, known))} classes, not of {classes}."
        )
    return known[classes]


class MuMu(Classification):
    """Classes from both mixtures, and groups from the one that guides."""

    group_of: Tensor

    def __init__(self, spec: Any, made: Any, classes: int, **given: Any):
        super().__init__(spec, made, classes, **given)
        found, self.guide = groups(classes), spec.head.hidden
        self.register_buffer("group_of", torch.tensor(found), persistent=False)
        hidden = self.guide // 2
        self.groups = nn.Sequential(nn.Linear(self.guide, hidden), nn.ReLU(), nn.Linear(hidden, max(found) + 1))
        self.train()

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        joined, label = self.joined(batch), batch["label"]
        logits_BK, logits_BG = self.head(joined), self.groups(joined[:, -self.guide :])
        both = F.cross_entropy(logits_BK, label, reduction="sum", label_smoothing=self.spec.head.label_smoothing)
        both = both + SHARE * F.cross_entropy(logits_BG, self.group_of[label], reduction="sum")
        return {"loss": both, "train_top1": (logits_BK.argmax(1) == label).sum()}


def stages(modalities: Sequence[str]) -> tuple[Stage, ...]:
    if len(modalities) < 2:
        raise ValueError(f"MuMu fuses modalities: name two or more, not {' '.join(modalities)} alone.")
    return (Stage("mumu", tuple(modalities), "mumu:MuMu"),)


MUMU = Method("MuMu", stages, "mumu")

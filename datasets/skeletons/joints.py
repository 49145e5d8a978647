"""Joints: which joints a corpus's skeletons have, and which of them a skeleton is normalised by."""

from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Joints:
    """The joints of a skeleton, in the order in which a recording has them.

    `origin` and `top` name the joints whose means are the two ends of the torso: positions are counted from `origin`,
    in multiples of the distance between the two. `bones` are pairs of joints, for pictures. With axes x, y, z the
    second is vertical; with x, y they are an image's.
    """

    names: tuple[str, ...]
    origin: tuple[str, ...]
    top: tuple[str, ...]
    bones: tuple[tuple[str, str], ...]
    axes: tuple[str, ...] = ("x", "y", "z")

    def __post_init__(self) -> None:
        named = {*self.origin, *self.top, *(joint for bone in self.bones for joint in bone)}
        if unknown := named - set(self.names):
            raise ValueError(f"{', '.join(sorted(unknown))}: is none of the joints {', '.join(self.names)}.")
        if len(self.axes) not in (2, 3):
            raise ValueError(f"axes={self.axes}: joints have two or three.")

    @property
    def columns(self) -> tuple[str, ...]:
        """Of a CSV or of a request's rows: head_x, head_y, head_z, and so on."""
        return tuple(f"{joint}_{axis}" for joint in self.names for axis in self.axes)

    def places(self, names: tuple[str, ...]) -> list[int]:
        return [self.names.index(name) for name in names]


def _limbs(side: str, *names: str) -> tuple[tuple[str, str], ...]:
    joints = [f"{side}_{name}" for name in names]
    return tuple(pairwise(joints))


# Of the first Kinect, as UTD-MHAD's Skeleton_joint_order.txt lists them; sides are the subject's own. Axes: x to the
# subject's right, y up, z away from the camera, in metres.
KINECT = Joints(
    tuple(
        "head shoulder_center spine hip_center"
        " left_shoulder left_elbow left_wrist left_hand right_shoulder right_elbow right_wrist right_hand"
        " left_hip left_knee left_ankle left_foot right_hip right_knee right_ankle right_foot".split()
    ),
    origin=("spine",),
    top=("shoulder_center",),
    bones=(
        ("head", "shoulder_center"), ("shoulder_center", "spine"), ("spine", "hip_center"),
        *((("shoulder_center", f"{side}_shoulder")) for side in ("left", "right")),
        *((("hip_center", f"{side}_hip")) for side in ("left", "right")),
        *(bone for side in ("left", "right") for bone in _limbs(side, "shoulder", "elbow", "wrist", "hand")),
        *(bone for side in ("left", "right") for bone in _limbs(side, "hip", "knee", "ankle", "foot")),
    ),
)  # fmt: skip

# COCO's keypoints, as OpenPifPaf finds them in images: pixels to the right and down.
COCO = Joints(
    tuple(
        "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow"
        " left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle".split()
    ),
    origin=("left_hip", "right_hip"),
    top=("left_shoulder", "right_shoulder"),
    bones=(
        ("left_shoulder", "right_shoulder"), ("left_hip", "right_hip"),
        *(("nose", f"{side}_{part}") for side in ("left", "right") for part in ("eye", "ear", "shoulder")),
        *((f"{side}_shoulder", f"{side}_hip") for side in ("left", "right")),
        *(bone for side in ("left", "right") for bone in _limbs(side, "shoulder", "elbow", "wrist")),
        *(bone for side in ("left", "right") for bone in _limbs(side, "hip", "knee", "ankle")),
    ),
    axes=("x", "y"),
)  # fmt: skip

"""VSKD (Ni, Sarbajna, Liu, Ngu and Yan, ICASSP 2022, arXiv 2112.01849): an accelerometer alone, as images.

`vskd-student` is VSKD's row of Table 2, read as the student without a teacher: Gramian angular summation fields of
three axes into a ResNet-18, then a layer of 300 and the classifier (`models/encoders/gramian.py`). `vskd-dask` is the
row VSKD + DASK: the same student learns from a teacher on frames as well, and is tested on the sensor alone.

The teacher (`models/objectives/temporal_relations.py`) is trained first, by cross-entropy, and then stays as it is. The
student's loss (`models/objectives/distillation.py`) is the cross-entropy, 0.01 times the teacher's soft targets at a
temperature of 4, and three terms on the features of 300: how far clips are from one another, at which angles (both with
Huber's loss, delta 1), and the mean squared difference from the teacher's feature, which is what the paper's "semantic"
is read as. Each counts once, as the authors' options have it.

What differs from github.com/jiany-ctrl/Crossmodal-KD-for-Vision-to-Sensor-HAR:
- ResNet-18 starts from scratch and sees images of 64 x 64 pixels, not from ImageNet's weights at 224 x 224: a weaker
  row. Signals are resampled to 64 samples, where the authors resize each clip's image.
- The teacher's BN-Inception is not to be had with weights. In its place are I3D's blocks up to Mixed_4f from
  Kinetics-400, all frozen; what they give, averaged over the frame, are the moments that stand for frames. The teacher
  looks at 8 of a clip's moments at even distances, the same ones in each epoch.
- Frames are neither cropped at random nor flipped: a flip turns a swipe to the left into one to the right.
- The sets of moments that the teacher relates are drawn in training only; tests take the mean over all of them.
- The three terms on features are trained with; in the authors' script they are commented out, and what stands in their
  place is always zero. Teacher and student see the same clip, not two that are drawn apart.
- Batches hold clips only; half of each of the authors' is zeros.
- The last epoch is tested, not the best by the test clips, and its F1 is one.
A class that is hidden from the frames gives the student no signal from the teacher.
"""

from collections.abc import Sequence

from models.methods import Method, Stage

FRAMES = ("video", "depth")  # the paper's first


def student(modalities: Sequence[str]) -> tuple[Stage, ...]:
    if "imu" not in modalities:
        raise ValueError("VSKD's student reads inertial signals: add imu to --modalities.")
    return (Stage("vskd_student", ("imu",)),)


def dask(modalities: Sequence[str]) -> tuple[Stage, ...]:
    shown = next((name for name in FRAMES if name in modalities), None)
    if "imu" not in modalities or shown is None:
        raise ValueError(
            "VSKD + DASK has a student on inertial signals and a teacher on frames: add imu and video, or imu and"
            " depth, to --modalities."
        )
    teacher = Stage("vskd_teacher", (shown,), "temporal-relations")
    parents, frozen = dict.fromkeys((shown, "teacher"), teacher.name), {"model.finetuned": {shown: ()}}
    return teacher, Stage("vskd_dask", tuple(sorted(("imu", shown))), "distillation", parents, frozen, tested=("imu",))


STUDENT = Method("VSKD, the sensor alone", student, "vskd")
DASK = Method("VSKD + DASK, the sensor alone after a teacher on frames", dask, "vskd")

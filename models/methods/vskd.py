"""VSKD's student (Ni, Sarbajna, Liu, Ngu and Yan, ICASSP 2022, arXiv 2112.01849): an accelerometer alone, as images.

Its row of Table 2 is read as the student without a teacher: Gramian angular summation fields of three axes into a
ResNet-18, then a layer of 300 and the classifier (`models/encoders/gramian.py`).

What differs from github.com/jiany-ctrl/Crossmodal-KD-for-Vision-to-Sensor-HAR:
- ResNet-18 starts from scratch and sees images of 64 x 64 pixels, not from ImageNet's weights at 224 x 224: a weaker
  row. Signals are resampled to 64 samples, where the authors resize each clip's image.
- Batches hold clips only; half of each of the authors' is zeros.
- The last epoch is tested, not the best by the test clips.
"""

from collections.abc import Sequence

from models.methods import Method, Stage


def stages(modalities: Sequence[str]) -> tuple[Stage, ...]:
    if "imu" not in modalities:
        raise ValueError("VSKD's student reads inertial signals: add imu to --modalities.")
    return (Stage("vskd_student", ("imu",)),)


STUDENT = Method("VSKD, the sensor alone, its authors' settings", stages, "vskd")

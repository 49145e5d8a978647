"""HAMLET (Islam and Iqbal, IROS 2020, arXiv 2008.01148): segments, an LSTM and two levels of attention, end to end.

The paper states the network (`models/encoders/segments.py`, `models/joins/hierarchical.py`), AdamW at 3e-4 and cosine
annealing with warm restarts. Readings where it is open, most of them of the first author's code
(github.com/mmiakashs/METRO):
- segments of 5 samples without overlap, the last filled up with zeros; embeddings of 256;
- frames, of video or of depth, are what I3D's blocks up to Mixed_4f, frozen with Kinetics-400 weights, make of them,
  averaged over the frame; a layer, ReLU and dropout as on the authors' ResNet-50, and the LSTM, are trained
  (`models/encoders/moments.py`). ResNet-50's weights are not to be had here, and an untrained network is nothing to
  freeze. The authors take the maximum over 5 frames in steps of 3 for a segment; I3D's strides already leave one moment
  of 4 frames, each made of some dozens, so every moment is a segment and nothing is pooled over time;
- inertial signals are one modality, whose sensors are what joints are;
- recordings are resampled to one length, skeletons to 64 and signals to 128 samples;
- 200 epochs at `paper` scale, the least of the authors' 200 to 500, and 100 at `laptop` scale, where after 50 the
  training clips aren't learned yet;
- batches of 16, weight decay 0.01, restarts after one and three sevenths of the epochs, so that the last ends low;
- the last epoch is tested; the authors keep the best by a training subject whom they withhold.
Which modalities it fuses is the study's choice: frames and skeletons as in the paper, or inertial signals as well as
in Table 2. The 95.12 that is printed for it is of leave-one-subject-out on RGB and skeletons, without inertial signals.
"""

from collections.abc import Sequence

from models.methods import Method, Stage


def stages(modalities: Sequence[str]) -> tuple[Stage, ...]:
    if len(modalities) < 2:
        raise ValueError(f"HAMLET fuses modalities: name two or more, not {' '.join(modalities)} alone.")
    return (Stage("hamlet", tuple(modalities)),)


HAMLET = Method("HAMLET", stages, "hamlet")

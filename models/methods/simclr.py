"""SimCLR of one modality with a linear probe: rows of CMC-CMKM's table, and the first stage of CMC-CMKM.

The encoder is trained to recognise a clip in two variations of it, without labels. Then it is frozen, BatchNorm
statistics included, and one layer on its embedding is trained to classify (`cmc_cmkm.py` has the source).
"""

from collections.abc import Sequence

from models.methods import Method, Stage


def pretraining(modality: str) -> Stage:
    return Stage(f"simclr_{modality}", (modality,), "simclr")


def _of(modality: str, label: str, recipe: str) -> Method:
    def stages(modalities: Sequence[str]) -> tuple[Stage, ...]:
        if modality not in modalities:
            raise ValueError(f"{label}: it reads {modality}, so add {modality} to --modalities.")
        first = pretraining(modality)
        probe = {"model.finetuned": {modality: ()}}
        return first, Stage(f"probe_{modality}", (modality,), parents={modality: first.name}, changes=probe)

    return Method(label, stages, recipe)


IMU = _of("imu", "SimCLR of the IMU, linear probe", "cmc-cmkm")
SKELETON = _of("skeleton", "SimCLR of the skeleton, linear probe", "cmc-cmkm")

"""A spec of each stage, with a value of its own in most fields."""

import json
from typing import Any

from datasets.modalities import imu, video
from models.spec import EncoderSpec, NetworkSpec
from orchestrator.plan.recipes import HEADS
from orchestrator.plan.spec import DataSpec, Optimization, RunSpec

INPUTS = {"imu": imu.Input(326, 6), "video": video.Input(16, 64, 16, 64)}
FUSION = HEADS["fusion"].of(INPUTS)
S3D = EncoderSpec("s3d", {"weights": "kinetics400"})
# `code=1` whatever CODE is by now: raising it is meant to move keys, everything else here isn't.
SPECS = {
    "imu": RunSpec(
        stage="imu",
        network=NetworkSpec({"imu": EncoderSpec("cnn")}, HEADS["imu"]),
        data=DataSpec("5f0c", {"imu": INPUTS["imu"]}, ratio=0.25, hidden={"imu": (3, 11)}),
        optimization=Optimization(lr=1e-4, weight_decay=1e-6, batch=128, epochs=200),
        seed=2,
        code=1,
    ),
    "video": RunSpec(
        stage="video",
        network=NetworkSpec({"video": S3D}, HEADS["video"]),
        data=DataSpec("5f0c", {"video": INPUTS["video"]}),
        optimization=Optimization(lr=1e-3, weight_decay=1e-5, batch=16, epochs=10),
        seed=0,
        augmentation={"video": video.Augmentation(video=0.3)},
        threads=2,
        code=1,
    ),
    "fusion": RunSpec(
        stage="fusion",
        network=NetworkSpec({"imu": EncoderSpec("cnn"), "video": S3D}, FUSION),
        data=DataSpec("5f0c", INPUTS, hidden={"video": (3,)}),
        optimization=Optimization(lr=5e-4, weight_decay=5e-6, batch=16, epochs=15),
        seed=0,
        augmentation={"imu": imu.Augmentation(noise=0.03)},
        workers=2,
        threads=2,
        parents={"imu": "a1" * 8, "video": "b2" * 8},
        code=1,
    ),
}


def changed(record: dict, path: tuple, value: Any) -> dict:
    """A spec's JSON with another value at one place."""
    copy = json.loads(json.dumps(record))
    inner = copy["spec"]
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    return copy

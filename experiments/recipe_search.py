"""Search for a better recipe by cross-validation on a protocol's training subjects; no test subject is looked at.

python experiments/recipe_search.py --modality imu --corpus utd-mhad --recordings DIR --scale laptop --settings 30
"""

import json
import sys
from typing import Any

import ray.tune
import tyro

from orchestrator.driver.recipe_search import SearchOptions, search


def _of_method(stage: str, schedule: str, *varied: str, times_epochs: float = 1.0) -> dict[str, Any]:
    """Rate and how it goes on, epochs and augmentation of a stage of another method.

    `schedule` and `times_epochs` are its authors', which are among what is proposed.
    """
    chosen = {
        "optimization.schedule": ray.tune.choice([schedule, "one-cycle"]),
        "optimization.lr": ray.tune.loguniform(1e-4, 3e-3),
        "optimization.weight_decay": ray.tune.loguniform(1e-5, 1e-1),
        "times_epochs": ray.tune.choice(sorted({0.5, 1.0, 1.5, times_epochs})),
        "model.label_smoothing": ray.tune.choice([0.0, 0.1]),
    }
    spans = {
        "imu": {"rotation": 30.0, "noise": 0.2, "warp": 0.6, "scale": 0.3},
        "skeleton": {"rotation": 30.0, "noise": 0.1, "warp": 0.6, "scale": 0.3, "crop": 0.3},
    }
    chosen |= {
        f"augmentation.{m}.{name}": ray.tune.uniform(0.0, most) for m in varied for name, most in spans[m].items()
    }
    return {f"{stage}.{name}": values for name, values in chosen.items()}


# What a setting may change, and how far. Names as in orchestrator/plan/overrides.py; lists are words of JSON, which
# Optuna's storage gives back as they were.
SPACES: dict[str, dict[str, Any]] = {
    "imu": {
        "imu.model.filters": ray.tune.choice(["[32, 64, 96]", "[48, 96, 144]", "[64, 128, 192]"]),
        "imu.model.dropout": ray.tune.uniform(0.0, 0.4),
        "imu.model.hidden": ray.tune.choice([256, 1024]),
        "imu.optimization.lr": ray.tune.loguniform(5e-4, 4e-3),
        "imu.optimization.weight_decay": ray.tune.loguniform(1e-4, 1e-1),
        "imu.optimization.batch": ray.tune.choice([16, 32]),
        "imu.model.label_smoothing": ray.tune.choice([0.0, 0.1, 0.2]),
        "imu.augmentation.rotation": ray.tune.uniform(0.0, 30.0),
        "imu.augmentation.noise": ray.tune.uniform(0.0, 0.2),
        "imu.augmentation.warp": ray.tune.uniform(0.0, 0.6),
        "imu.augmentation.crop": ray.tune.uniform(0.0, 0.3),
        "imu.resampled": ray.tune.choice([96, 128, 180]),
    },
    "skeleton": {
        "skeleton.model.encoder": ray.tune.choice(["co-occurrence", "temporal"]),
        "skeleton.model.hidden": ray.tune.choice([None, 256]),
        "skeleton.model.dropout": ray.tune.uniform(0.0, 0.5),
        "skeleton.optimization.lr": ray.tune.loguniform(3e-4, 3e-3),
        "skeleton.optimization.weight_decay": ray.tune.loguniform(1e-4, 1e-1),
        "skeleton.optimization.batch": ray.tune.choice([16, 32]),
        "skeleton.model.label_smoothing": ray.tune.choice([0.0, 0.1, 0.2]),
        "skeleton.augmentation.rotation": ray.tune.uniform(0.0, 30.0),
        "skeleton.augmentation.scale": ray.tune.uniform(0.0, 0.3),
        "skeleton.augmentation.noise": ray.tune.uniform(0.0, 0.1),
        "skeleton.augmentation.warp": ray.tune.uniform(0.0, 0.6),
        "skeleton.augmentation.crop": ray.tune.uniform(0.0, 0.3),
    },
    "video": {
        "video.model.dropout": ray.tune.choice([0.2, 0.5]),
        "video.optimization.lr": ray.tune.loguniform(5e-4, 5e-3),
        "video.optimization.weight_decay": ray.tune.loguniform(1e-3, 1e-1),
        "video.model.label_smoothing": ray.tune.choice([0.0, 0.1, 0.2]),
        "video.augmentation.video": ray.tune.uniform(0.1, 0.5),
        "video.channels": ray.tune.choice(["colour", "motion"]),
    },
    "depth": {
        "depth.model.dropout": ray.tune.choice([0.2, 0.5]),
        "depth.optimization.lr": ray.tune.loguniform(5e-4, 5e-3),
        "depth.optimization.weight_decay": ray.tune.loguniform(1e-3, 1e-1),
        "depth.model.label_smoothing": ray.tune.choice([0.0, 0.1, 0.2]),
        "depth.augmentation.crop": ray.tune.uniform(0.1, 0.5),
        "depth.augmentation.rotation": ray.tune.uniform(0.0, 20.0),
        "depth.channels": ray.tune.choice(["depth", "motion"]),
    },
    # Nothing that stage 1 depends on: all settings start from the recipe's own.
    "fusion": {
        "fusion.model.join": ray.tune.choice(["concatenation", "attention"]),
        "fusion.model.hidden": ray.tune.choice([128, 512]),
        "fusion.model.finetuned": ray.tune.choice(
            [
                json.dumps({"video": blocks} | imu)
                for blocks in ([], ["Mixed_5c"], ["Mixed_4c", "Mixed_5c"])
                for imu in ({}, {"imu": []})
            ]
        ),
        "fusion.optimization.lr": ray.tune.loguniform(1e-4, 2e-3),
        "fusion.optimization.weight_decay": ray.tune.loguniform(1e-4, 1e-1),
        "fusion.model.label_smoothing": ray.tune.choice([0.0, 0.1, 0.2]),
        "fusion.augmentation.missing": ray.tune.uniform(0.0, 0.8),
    },
    "simclr_imu": _of_method("simclr_imu", "constant", "imu", times_epochs=3.0),
    "simclr_skeleton": _of_method("simclr_skeleton", "constant", "skeleton", times_epochs=3.0),
    "cmkm_supervised": _of_method("cmkm_supervised", "constant", "imu", "skeleton"),
    "cmc": _of_method("cmc", "constant", "imu", "skeleton"),
    "cmkm": _of_method("cmkm", "constant", "imu", "skeleton"),
    "hamlet": _of_method("hamlet", "warm-restarts", "imu", "skeleton", times_epochs=2.0),
    "mumu": _of_method("mumu", "warm-restarts", "imu", "skeleton", times_epochs=2.0),
    "vskd_student": _of_method("vskd_student", "constant", "imu"),
    "vskd_dask": _of_method("vskd_dask", "constant", "imu"),
}


if __name__ == "__main__":
    options = tyro.cli(SearchOptions, description=__doc__)
    sys.exit(search(options, SPACES.get(options.modality, {})))

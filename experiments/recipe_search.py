"""Search for a better recipe by cross-validation on a protocol's training subjects; no test subject is looked at.

python experiments/recipe_search.py --modality imu --corpus utd-mhad --recordings DIR --scale laptop --settings 30
"""

import sys
from typing import Any

import ray.tune
import tyro

from orchestrator.tuning import SearchOptions, search

# What a setting may change, and how far. Names as in orchestrator/setting.py.
SPACES: dict[str, dict[str, Any]] = {
    "imu": {
        "model.width": ray.tune.choice([32, 48, 64]),
        "model.batchnorm": ray.tune.choice([False, True]),
        "model.dropout": ray.tune.uniform(0.0, 0.4),
        "model.head_dropout": ray.tune.uniform(0.0, 0.6),
        "model.hidden": ray.tune.choice([256, 1024]),
        "optimization.lr": ray.tune.loguniform(3e-4, 1e-2),
        "optimization.weight_decay": ray.tune.loguniform(1e-4, 1e-1),
        "optimization.batch": ray.tune.choice([16, 32, 64]),
        "optimization.label_smoothing": ray.tune.choice([0.0, 0.1, 0.2]),
        "optimization.average": ray.tune.choice([0.0, 0.99]),
        "augmentation.rotation": ray.tune.uniform(0.0, 30.0),
        "augmentation.scale": ray.tune.uniform(0.0, 0.3),
        "augmentation.noise": ray.tune.uniform(0.0, 0.2),
        "augmentation.warp": ray.tune.uniform(0.0, 0.6),
        "augmentation.crop": ray.tune.uniform(0.0, 0.3),
        "resampled": ray.tune.choice([96, 128, 180]),
    },
    "video": {
        "model.dropout": ray.tune.choice([0.2, 0.5]),
        "optimization.lr": ray.tune.loguniform(5e-4, 5e-3),
        "optimization.weight_decay": ray.tune.loguniform(1e-3, 1e-1),
        "optimization.label_smoothing": ray.tune.choice([0.0, 0.1, 0.2]),
        "augmentation.video": ray.tune.uniform(0.1, 0.5),
        "augmentation.zoom": ray.tune.uniform(0.0, 0.4),
        "augmentation.light": ray.tune.uniform(0.0, 0.2),
    },
}


if __name__ == "__main__":
    options = tyro.cli(SearchOptions, description=__doc__)
    sys.exit(search(options, SPACES[options.modality]))

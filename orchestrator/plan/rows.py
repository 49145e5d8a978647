"""Which rows of a Manifest a run trains on, and which it is tested on."""

import numpy as np

from datasets import splits
from datasets.manifest import Manifest
from orchestrator.plan.spec import RunSpec


def rows_of(spec: RunSpec, manifest: Manifest) -> tuple[np.ndarray, np.ndarray]:
    """Manifest rows a run trains on and is tested on. A run of several modalities keeps the clips of hidden classes,
    unless it is to compare the modalities of a clip with one another."""
    train_rows, test_rows = splits.split(manifest, spec.data.protocol)
    labels, instances = splits.labels(manifest), splits.instances(manifest)
    train_rows = splits.subset(train_rows, labels[train_rows], spec.data.ratio, spec.seed, instances[train_rows])
    if len(spec.modalities) == 1 or not spec.classifies:
        train_rows = splits.without(train_rows, labels[train_rows], hidden_classes(spec))
    return train_rows, test_rows


def hidden_classes(spec: RunSpec) -> list[int]:
    """From any modality."""
    return [label for hidden in spec.data.hidden.values() for label in hidden]

"""Made-up skeletons beside other recordings: in a Manifest, and as files in a folder of UTD-MHAD's layout."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from scipy.io import savemat

from datasets.manifest import Manifest


def with_skeletons(manifest: Manifest) -> Manifest:
    """The same clips with a recording of a skeleton each."""
    names = manifest.clips.column("clip").to_pylist()
    table = manifest.clips.append_column("skeleton", pa.array([f"{name}_skeleton.mat" for name in names]))
    table = table.append_column("skeleton_count", pa.array([60] * len(names), pa.int32()))
    return replace(manifest, clips=table.append_column("skeleton_content", pa.array([f"s{name}" for name in names])))


def write_skeletons(folder: Path) -> None:
    """A file for each signal: 20 joints of noise around where they are when somebody stands still."""
    draw = np.random.default_rng(0)
    still = np.stack([np.linspace(-0.3, 0.3, 20)] * 3, axis=1)[:, :, None]
    (folder / "Skeleton").mkdir()
    for signal in sorted((folder / "Inertial").iterdir()):
        file = folder / "Skeleton" / signal.name.replace("inertial", "skeleton")
        savemat(file, {"d_skel": still + 0.05 * draw.normal(size=(20, 3, 40))})

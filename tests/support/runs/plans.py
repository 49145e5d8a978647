"""A made-up manifest, for plans that nothing trains."""

from pathlib import Path

import pyarrow as pa

from datasets.manifest import Manifest, schema


def manifest(classes: int = 27, subjects: int = 8) -> Manifest:
    """Two trials of each, but one of every fifth class."""
    trials = [
        (label, subject, trial)
        for label in range(classes)
        for subject in range(1, subjects + 1)
        for trial in range(1, 2 + (label % 5 > 0))
    ]
    rows = [
        {"clip": f"a{k + 1}_s{s}_t{t}", "subject": s, "trial": t, "label": k, "video": "v", "imu": "i"}
        | {"video_count": 40, "imu_count": 150 + k, "video_content": f"v{k}-{s}-{t}", "imu_content": f"i{k}-{s}-{t}"}
        for k, s, t in trials
    ]
    names = tuple(f"class {k}" for k in range(classes))
    clips = pa.Table.from_pylist(rows, schema=schema(("imu", "video")))
    return Manifest("made up", {"video": "RGB"}, "utd-mhad", names, clips, Path("/nowhere"))

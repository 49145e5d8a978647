"""Undecoded: recordings that only decoding showed to be bad, remembered for --skip-bad until they change.

Reading MMAct looks at the headers of its videos alone; what is damaged behind one shows when shards are written.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from datasets.files.atomic import read_json, write_whole
from datasets.files.bad_file import BadFile
from datasets.manifest import Manifest
from datasets.modalities import Source


def remember(cache: Path, root: Path, bad: Iterable[BadFile]) -> None:
    """Beside what is known of the recordings in `root`."""
    known = _known(cache, root)
    known |= {b.file: [_stamp(root / b.file), b.reason] for b in bad}
    cache.mkdir(parents=True, exist_ok=True)
    write_whole(_file(cache, root), json.dumps(known, indent=1))


def without(cache: Path, manifest: Manifest, source: Callable[[str], Source]) -> Manifest:
    """The Manifest less the clips whose files are remembered and haven't changed since; they are listed as bad.

    `source` of a modality says which files a recording's name stands for.
    """
    known = _known(cache, manifest.root)
    bad = {file: why for file, (stamp, why) in known.items() if stamp == _stamp(manifest.root / file)}
    if not bad:
        return manifest
    whole = np.ones(manifest.clips.num_rows, bool)
    of_these: set[str] = set()
    for modality in manifest.modalities:
        names = [source(modality).files(name) if name else () for name in manifest.clips[modality].to_pylist()]
        whole &= [bad.keys().isdisjoint(files) for files in names]
        of_these.update(file for files in names for file in files)
    listed = (*manifest.bad, *(BadFile(file, bad[file]) for file in sorted(bad.keys() & of_these)))
    return replace(manifest, clips=manifest.clips.filter(pa.array(whole, pa.bool_())), bad=listed)


def _file(cache: Path, root: Path) -> Path:
    return cache / f"{hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:16]}.undecoded.json"


def _known(cache: Path, root: Path) -> dict[str, Any]:
    try:
        return read_json(_file(cache, root))
    except (FileNotFoundError, ValueError):  # what is lost is found again by decoding
        return {}


def _stamp(file: Path) -> list[int]:
    try:
        stat = file.stat()
    except OSError:
        return []
    return [stat.st_size, stat.st_mtime_ns]

"""UTD-MHAD: RGB/a{A}_s{S}_t{T}_color.avi beside Inertial/a{A}_s{S}_t{T}_inertial.mat (Chen et al., ICIP 2015).

861 of 27 x 8 x 4 trials. An optional corpus.json names what the video shows; without one it is RGB.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa

from datasets import apart, decode
from datasets.manifest import SCHEMA, BadFile, Manifest

CLASSES: tuple[str, ...] = tuple(
    "swipe_left swipe_right wave clap throw arm_cross basketball_shoot draw_x draw_circle_CW draw_circle_CCW"
    " draw_triangle bowling boxing baseball_swing tennis_swing arm_curl tennis_serve push knock catch pickup_throw"
    " jog walk sit2stand stand2sit lunge squat".split()
)

ABOUT_BYTES = 64 << 10
FOLDERS = {"video": ("RGB", "color.avi"), "imu": ("Inertial", "inertial.mat")}


def listing(folder: Path) -> list[Path]:
    """The files that make the corpus, sorted; raises ValueError when the folder isn't one."""
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder. Give the one that holds RGB/ and Inertial/ with --recordings.")
    files = []
    for name, (sub, suffix) in FOLDERS.items():
        if not (folder / sub).is_dir():
            raise ValueError(f"{folder}: has no folder {sub}/ (UTD-MHAD keeps a{{A}}_s{{S}}_t{{T}}_{suffix} there).")
        found = [f for f in (folder / sub).iterdir() if not f.name.startswith(".")]
        if not found:
            raise ValueError(
                f"{folder / sub}: is empty; {name} recordings named a{{A}}_s{{S}}_t{{T}}_{suffix} go there."
            )
        files += found
    about = folder / "corpus.json"
    return sorted(files) + ([about] if about.exists() else [])


def seen(folder: Path) -> Iterator[str]:
    """Name, size and time of every file: while these stay, so does the Manifest."""
    for file in listing(folder):
        stat = file.stat()
        yield f"{file.name} {stat.st_size} {stat.st_mtime_ns}\n"


def signal(root: Path, imu: str, rate: int | None) -> np.ndarray:
    """(S, 6) of what a Manifest's column imu names: one sensor, whose samples are of the same moments as they are."""
    if rate is not None:
        raise ValueError(f"rate={rate}: UTD-MHAD has one rate and no time stamps; leave the recipe's rate out.")
    return decode.read_mat(root / imu)


def _about(folder: Path) -> tuple[str, str]:
    file = folder / "corpus.json"
    if not file.exists():
        return "UTD-MHAD", "RGB"
    try:
        if not file.is_file() or file.stat().st_size > ABOUT_BYTES:
            raise ValueError(f"it is no file of at most {ABOUT_BYTES >> 10} kB")
        about = json.loads(file.read_text())
        return str(about["name"]), str(about["video"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f'{file}: is not of the form {{"name": ..., "video": ...}} ({error}).') from None


def _index(folder: Path, files: list[Path]) -> tuple[dict[tuple[int, int, int], dict[str, Path]], list[BadFile]]:
    """(action, subject, trial) -> its two files. By number, not by name: a10 comes after a9."""
    trials: dict[tuple[int, int, int], dict[str, Path]] = {}
    bad = []
    for file in files:
        kind = "video" if file.parent.name == "RGB" else "imu"
        suffix = FOLDERS[kind][1]
        match = re.fullmatch(r"a([1-9]\d*)_s([1-9]\d*)_t([1-9]\d*)_" + re.escape(suffix), file.name)
        if not match:
            bad.append(BadFile(str(file.relative_to(folder)), f"is not named a{{A}}_s{{S}}_t{{T}}_{suffix}"))
        elif int(match[1]) > len(CLASSES):
            bad.append(BadFile(str(file.relative_to(folder)), f"action {match[1]} is not among the {len(CLASSES)}"))
        else:
            trials.setdefault((int(match[1]), int(match[2]), int(match[3])), {})[kind] = file
    return trials, bad


def _check(folder: Path, pair: dict[str, Path]) -> tuple[int, int, str] | list[BadFile]:
    """(frames, samples, digest of the content) of one trial, or what is wrong with it."""
    bad, sizes = [], {}
    for kind, other in (("video", "imu"), ("imu", "video")):
        if kind not in pair:
            there = pair[other].relative_to(folder)
            bad.append(BadFile(str(there), f"has no {'inertial' if kind == 'imu' else 'video'} recording beside it"))
            continue
        try:
            sizes[kind] = apart.count(kind, pair[kind])
        except (ValueError, OSError) as error:
            bad.append(BadFile(str(pair[kind].relative_to(folder)), str(error)))
    if bad:
        return bad
    digest = hashlib.sha256()
    for kind in ("video", "imu"):
        with pair[kind].open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return sizes["video"], sizes["imu"], digest.hexdigest()[:16]


def read(folder: Path) -> Manifest:
    """Every whole trial in numerical order; what is bad is listed in `Manifest.bad`. Decodes every frame once."""
    name, video = _about(folder)
    trials, bad = _index(folder, [f for f in listing(folder) if f.name != "corpus.json"])
    keys = sorted(trials)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        checked = list(pool.map(lambda key: _check(folder, trials[key]), keys))
    rows = []
    for (action, subject, trial), found in zip(keys, checked, strict=True):
        if isinstance(found, list):
            bad += found
            continue
        pair = trials[action, subject, trial]
        frames, samples, content = found
        rows.append(
            {
                "clip": f"a{action}_s{subject}_t{trial}",
                "subject": subject,
                "trial": trial,
                "label": action - 1,
                "video": str(pair["video"].relative_to(folder)),
                "imu": str(pair["imu"].relative_to(folder)),
                "frames": frames,
                "samples": samples,
                "content": content,
            }
        )
    clips = pa.Table.from_pylist(rows, schema=SCHEMA)
    return Manifest(name, video, "utd-mhad", CLASSES, clips, folder.resolve(), tuple(bad))

"""MMAct's poses, as the challenge gives them: 17 joints in 2-D in a JSON file for each clip of a camera.

    [PARENT/]pose/{cross_view,cross_scene}/trainval/subjectN/camN/sceneN/sessionN/CLASS.json

They were found by OpenPifPaf; the forms that are read are in datasets/skeletons/poses.py.
"""

from hashlib import file_digest
from pathlib import Path
from typing import Any

import numpy as np

from datasets.corpora import registry
from datasets.files import sandbox
from datasets.files.file_type import mistaken
from datasets.files.sandbox import Found
from datasets.modalities import Source
from datasets.modalities.skeleton import NOBODY
from datasets.skeletons.follow import followed
from datasets.skeletons.joints import COCO
from datasets.skeletons.poses import read_people


def pose(root: Path, name: str, rate: int | None) -> np.ndarray:
    """(S, 17, 2) pixels, a sample a frame, of the person whom `followed` keeps. Raises ValueError as `read_people`."""
    return followed(read_people(root / name))


def notes(root: Path, name: str) -> dict[str, str]:
    """In how many frames there are several people."""
    counts = [len(people) for people in read_people(root / name)]
    several = sum(count > 1 for count in counts)
    return {"several": f"{several} of {len(counts)}"} if several else {}


def own(path: Path) -> str:
    """The name of a pose file in no Manifest. Raises ValueError for what is no .json."""
    if path.suffix.lower() != ".json" or path.is_dir():
        raise ValueError("is no pose file of MMAct's form, which ends in .json")
    return path.name


def columns(folder: Path, file: Path | None, found: dict[str, Found]) -> dict[str, Any]:
    """The Manifest's columns of a clip's pose file, which is read in a process apart; `found` gets what is in it.

    A clip without a file lacks its skeleton, and so does one in whose file there is nobody. Raises ValueError or
    OSError for a file that is bad.
    """
    lacking = {"skeleton": None, "skeleton_count": 0, "skeleton_content": ""}
    if file is None:
        return lacking
    name = str(file.relative_to(folder))
    try:
        found[name] = sandbox.examine(registry.SUMMARY, file, "skeleton", "mmact")
    except ValueError as error:
        if str(error) == NOBODY:
            return lacking
        raise ValueError(mistaken(file) or str(error)) from None
    with file.open("rb") as content:
        digest = file_digest(content, "sha256").hexdigest()[:16]
    return {"skeleton": name, "skeleton_count": found[name].count, "skeleton_content": digest}


SOURCE = Source(joints=COCO, gaps=True, read=pose, notes=notes, own=own)

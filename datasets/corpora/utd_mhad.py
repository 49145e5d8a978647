"""UTD-MHAD: RGB/a{A}_s{S}_t{T}_color.avi beside Inertial/a{A}_s{S}_t{T}_inertial.mat (Chen et al., ICIP 2015).

861 of 27 x 8 x 4 trials. An optional corpus.json names what the video shows; without one it is RGB.
"""

import re
from pathlib import Path

from datasets.corpora import about
from datasets.corpora.corpus import Corpus
from datasets.corpora.pairs import Pair, checked
from datasets.manifest import BadFile, Manifest
from datasets.spec import Protocol

CLASSES: tuple[str, ...] = tuple(
    "swipe_left swipe_right wave clap throw arm_cross basketball_shoot draw_x draw_circle_CW draw_circle_CCW"
    " draw_triangle bowling boxing baseball_swing tennis_swing arm_curl tennis_serve push knock catch pickup_throw"
    " jog walk sit2stand stand2sit lunge squat".split()
)

FOLDERS = {"video": ("RGB", "color.avi"), "imu": ("Inertial", "inertial.mat")}


def listing(folder: Path) -> list[Path]:
    """The files that make the corpus, sorted; raises ValueError when the folder isn't one."""
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
    label = folder / "corpus.json"
    return sorted(files) + ([label] if label.exists() else [])


def _index(folder: Path, files: list[Path]) -> tuple[dict[tuple[int, int, int], dict[str, Path]], list[BadFile]]:
    """(action, subject, trial) -> its two files. By number, not by name: a10 comes after a9."""
    trials: dict[tuple[int, int, int], dict[str, Path]] = {}
    bad = []
    for file in files:
        kind = "video" if file.parent.name == "RGB" else "imu"
        suffix = FOLDERS[kind][1]
        match = re.fullmatch(r"a([1-9]\d?)_s([1-9]\d{0,5})_t([1-9]\d{0,5})_" + re.escape(suffix), file.name)
        if not match:
            bad.append(BadFile(str(file.relative_to(folder)), f"is not named a{{A}}_s{{S}}_t{{T}}_{suffix}"))
        elif int(match[1]) > len(CLASSES):
            bad.append(BadFile(str(file.relative_to(folder)), f"action {match[1]} is not among the {len(CLASSES)}"))
        else:
            trials.setdefault((int(match[1]), int(match[2]), int(match[3])), {})[kind] = file
    return trials, bad


def read(folder: Path) -> Manifest:
    """Every whole trial in numerical order; what is bad is listed in `Manifest.bad`. Decodes every frame once."""
    name, video = about.read(folder, "UTD-MHAD")
    trials, bad = _index(folder, [f for f in listing(folder) if f.name != "corpus.json"])
    pairs = [
        Pair(f"a{action}_s{subject}_t{trial}", subject, trial, action - 1, pair.get("video"), pair.get("imu"))
        for (action, subject, trial), pair in sorted(trials.items())
    ]
    clips, unread = checked(folder, "utd-mhad", pairs)
    return Manifest(name, video, "utd-mhad", CLASSES, clips, folder.resolve(), (*bad, *unread))


PROTOCOLS = {
    # The paper's (section 4.1) and the data set's own.
    "odd-even": Protocol("subject", (1, 3, 5, 7), (2, 4, 6, 8), "cross-subject"),
    "even-odd": Protocol("subject", (2, 4, 6, 8), (1, 3, 5, 7), "cross-subject"),
    # Some published UTD-MHAD numbers are of this kind, which is easier: every tested person was trained on.
    "trials": Protocol("trial", (1, 2), (3, 4), "same subjects"),
}
CORPUS = Corpus(read, PROTOCOLS)

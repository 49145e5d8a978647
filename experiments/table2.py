"""Table 2 with every method trained here: the paper's rows, the other methods', ours, beside what each printed.

python experiments/table2.py --corpus utd-mhad --recordings DIR --modalities imu skeleton depth --scale laptop --seeds 3

python experiments/table2.py ... --protocol trials --methods vskd-student vskd-dask         (by the printed protocol)
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations

import tyro

from models.methods import DEFAULT, RIVALS, TUNED
from orchestrator.driver.launch import launch
from orchestrator.plan.options import Options
from orchestrator.plan.plan import Cell
from orchestrator.plan.study import Study

# What each row reads; FRAMES is the study's depth or video.
FRAMES = "frames"
ROWS: dict[str, tuple[tuple[str, ...], ...]] = {
    "paper": (("imu",), (FRAMES,), (FRAMES, "imu")),
    "hamlet": ((FRAMES, "skeleton"), (FRAMES, "imu", "skeleton")),
    "mumu": ((FRAMES, "imu", "skeleton"),),
    "simclr-imu": (("imu",),),
    "simclr-skeleton": (("skeleton",),),
    "cmkm-supervised": (("imu", "skeleton"),),
    "cmc": (("imu", "skeleton"),),
    "cmc-cmkm": (("imu", "skeleton"),),
    "vskd-student": (("imu",),),
    "vskd-dask": ((FRAMES, "imu"),),
}
# Each method of others has its authors' settings and those that were chosen here; of SimCLR on skeletons no setting was
# better than the authors', so that its second row would be the first again.
TWICE = RIVALS.keys() - {"simclr-skeleton"}
ROWS = {name + suffix: read for name, read in ROWS.items() for suffix in ("", TUNED)[: 1 + (name in TWICE)]} | {
    DEFAULT: tuple(read for count in (1, 2, 3) for read in combinations((FRAMES, "imu", "skeleton"), count)),
}


@dataclass(frozen=True)
class Compared(Options):
    methods: tuple[str, ...] = tuple(ROWS)
    """The methods whose rows are trained, each on those of the study's modalities that it reads."""


def cells(study: Study, seed: int, methods: Sequence[str] = tuple(ROWS)) -> Iterator[Cell]:
    """Rows whose modalities the study hasn't are left out. Raises ValueError for a method that has no row."""
    frames = next((m for m in ("depth", "video") if m in study.modalities), FRAMES)
    if unknown := [method for method in methods if method not in ROWS]:
        raise ValueError(f"--methods {' '.join(unknown)}: choose from {', '.join(ROWS)}.")
    for method in methods:
        for read in ROWS[method]:
            named = tuple(frames if m == FRAMES else m for m in read)
            if set(named) <= set(study.modalities):
                yield study.cell("methods", named, seed, method=method)


if __name__ == "__main__":
    options = tyro.cli(Compared, description=__doc__)
    sys.exit(launch("table2", partial(cells, methods=options.methods), options))

"""What is done before the first training: a synthetic corpus is drawn of the modalities that the plan reads."""

from pathlib import Path
from typing import Any

import pytest

from datasets.synthetic import mmact as synthetic_mmact
from datasets.synthetic import utd_mhad as synthetic
from experiments import full_grid, modality_comparison, zero_shot
from orchestrator.driver import prepare
from orchestrator.plan.options import Options
from orchestrator.storage.store import Store

SMALL: dict[str, dict[str, Any]] = {
    "synthetic": {"subjects": 2, "trials": 1, "actions": 2},
    "synthetic-mmact": {"subjects": (14,), "scenes": (3,), "sessions": (2,)},
}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, given in zip((synthetic, synthetic_mmact), SMALL.values(), strict=True):
        monkeypatch.setattr(module, "write", lambda folder, w=module.write, g=given, **how: w(folder, **how | g))


def drawn(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_dir()}


def test_only_what_the_plan_reads_is_drawn(tmp_path: Path) -> None:
    options, store = Options(storage=tmp_path, only=("imu",)), Store(tmp_path)
    study, _ = prepare.open_study(options, prepare.used("modality_comparison", modality_comparison.cells, options))
    folder = study.manifest.root
    assert drawn(folder) == {"Inertial"} and study.manifest.clips.num_rows == 4
    assert prepare.draw(options, store, prepare.asked(options)) == folder
    assert drawn(folder) == {"Inertial", "RGB"}
    assert prepare.draw(options, store, ("imu", "skeleton", "depth", "video")) == folder
    assert drawn(folder) == {"Inertial", "RGB", "Skeleton", "Depth"}


def test_what_table_2_is_about_besides_is_read() -> None:
    assert prepare.used("grid", full_grid.cells, Options(also=("skeleton", "imu"))) == ("imu", "skeleton", "video")


@pytest.mark.parametrize(
    ("also", "only", "words"),
    [
        ("sound", (), "--also sound: choose from"),
        ("skeleton", ("ratio",), "--also skeleton: no cell of grid that was asked for reads it"),
    ],
)
def test_what_no_table_is_about_is_refused(also: str, only: tuple[str, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        prepare.used("grid", full_grid.cells, Options(also=(also,), only=only))
    with pytest.raises(ValueError, match="--also"):
        prepare.used("grid", zero_shot.cells, Options(also=(also,)))


def test_mmacts_poses_are_drawn_where_the_plan_reads_skeletons(tmp_path: Path) -> None:
    options, store = Options("synthetic-mmact", storage=tmp_path), Store(tmp_path)
    assert drawn(prepare.draw(options, store, ("skeleton",))) == {"sensors", "trimmed", "pose"}

"""Every experiment builds its plan on MMAct: dry runs on a tree in its layout, in this process."""

from pathlib import Path
from typing import Any

import pytest

from experiments import (
    full_grid,
    fusion_comparison,
    modality_comparison,
    modality_subsets,
    recipe_search,
    stage_ablation,
    table2,
    training_ratio,
    zero_shot,
)
from orchestrator.driver import prepare
from orchestrator.driver.launch import launch
from orchestrator.driver.recipe_search import SearchOptions, search, with_modalities, with_protocol
from orchestrator.plan.options import Options
from tests.support.recordings.mmact_files import ROWS, SIX, csv_of, put, write_instances, written

CLASSES = ("walking", "running", "kicking", "fall", "jumping", "closing", "opening")
EXPERIMENTS = {
    full_grid: 27,
    modality_comparison: 3,
    modality_subsets: 3,
    training_ratio: 12,
    zero_shot: 12,
    stage_ablation: 4,
    fusion_comparison: 0,
    table2: 12,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven classes by two subjects who train and one who is tested, seen by two cameras."""
    made = tmp_path_factory.mktemp("mmact")
    film = written(made.parent / "six.mp4", SIX).read_bytes()
    write_instances(made, film, [(subject, 1, 1, name) for subject in (1, 2, 17) for name in CLASSES])
    csv_of(made, "gyro").write_text(f"{ROWS}20181016_13:37:30,1,2,3\n")  # by time stamp at 50 Hz it has 101 samples
    put(made / "corpus.json", b'{"name": "a few", "video": "RGB"}')
    return made


@pytest.fixture
def asked(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(prepare.console, "width", 200)
    return {"corpus": "mmact", "recordings": folder, "storage": tmp_path, "dry_run": True}


@pytest.mark.parametrize("recipe", ["paper", "tuned"])
@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda module: module.__name__.split(".")[-1])
def test_its_plan(experiment: Any, recipe: str, asked: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert launch("plan", experiment.cells, Options(**asked, recipe=recipe)) == 0  # pyright: ignore[reportArgumentType]
    said = capsys.readouterr().out
    assert "corpus: a few, 42 clips" in said
    assert f"plan: {EXPERIMENTS[experiment] or ''}" in said and "would run" in said


@pytest.mark.parametrize("modality", ["imu", "video", "fusion"])  # what this corpus has recordings of
def test_a_search_is_judged_on_the_corpuss_own_training_subjects(
    modality: Any, asked: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    options = SearchOptions(**asked, modality=modality)
    assert with_protocol(options).protocol == "cross-subject-validation"
    assert search(options, recipe_search.SPACES[modality]) == 0
    assert "recipe_search: 2 cells" in capsys.readouterr().out


def test_a_search_of_another_modality_reads_it_alone() -> None:
    assert with_modalities(SearchOptions("synthetic", modality="skeleton")).modalities == ("skeleton",)
    assert with_modalities(SearchOptions("synthetic", modality="imu")).modalities == ()
    both = SearchOptions("synthetic", modality="skeleton", modalities=("imu", "skeleton"))
    assert with_modalities(both).modalities == ("imu", "skeleton")


@pytest.mark.parametrize(("corpus", "protocol"), [("synthetic", "odd-even"), ("synthetic-mmact", "cross-subject")])
def test_the_protocol_that_a_search_takes(corpus: str, protocol: str) -> None:
    assert with_protocol(SearchOptions(corpus)).protocol == f"{protocol}-validation"
    assert with_protocol(SearchOptions(corpus, protocol="even-odd-validation")).protocol == "even-odd-validation"

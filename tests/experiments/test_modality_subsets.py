"""Subsets of the modalities: their plan, what --only takes of it, the clips that they share, and all of it trained."""

import json
import shutil
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest

from datasets.manifest import Manifest
from experiments import modality_comparison, modality_subsets, training_ratio, zero_shot
from experiments.modality_subsets import cells, narrowed
from orchestrator.driver.launch import launch
from orchestrator.driver.prepare import used
from orchestrator.plan.options import Options
from orchestrator.plan.plan import Plan
from orchestrator.plan.rows import rows_of
from orchestrator.plan.study import Study
from tests.orchestrator.plan.test_plan import manifest
from tests.support.recordings.skeletons import with_skeletons, write_skeletons

THREE = ("imu", "skeleton", "video")
SUBSETS = [read for count in (1, 2, 3) for read in combinations(THREE, count)]


@pytest.fixture(scope="module")
def three() -> Manifest:
    return with_skeletons(manifest())


@pytest.fixture
def folder(six: Path, tmp_path: Path) -> Path:
    """Twelve clips of all three."""
    copy = shutil.copytree(six, tmp_path / "recordings")
    write_skeletons(copy)
    return copy


def test_each_subset_is_a_cell_and_each_encoder_is_trained_once(three: Manifest) -> None:
    study = Study(three, "demo", "paper")
    plan = Plan.of("subsets", cells(study, 0), study.runs)
    assert [cell.modalities for cell in plan.cells] == SUBSETS and len({cell.key for cell in plan.cells}) == 7
    assert {stage: len(specs) for stage, specs in plan.stages.items()} == {**dict.fromkeys(THREE, 1), "fusion": 4}
    alone = {cell.model: cell.key for cell in plan.cells[:3]}
    for cell in plan.cells[3:]:
        assert cell.model == "fusion" and plan.runs[cell.key].parents == {m: alone[m] for m in cell.modalities}


def test_a_run_knows_what_it_reads_and_all_runs_have_the_same_clips(three: Manifest) -> None:
    study = Study(three, "demo", "paper")
    plan = Plan.of("subsets", cells(study, 0), study.runs)
    rows = []
    for spec in plan.runs.values():
        own = three.of(spec.modalities)
        assert spec.data.recordings == own.digest and own.modalities == spec.modalities
        rows.append([side.tolist() for side in rows_of(spec, own)])
    assert len(rows) == 7 and all(each == rows[0] for each in rows)
    papers = Study(manifest(), "demo", "paper")
    keys = {cell.modalities: cell.key for cell in plan.cells}
    for cell in modality_comparison.cells(papers, 0):
        assert keys[cell.modalities] == cell.key, "the third modality is none of its business"


@pytest.mark.parametrize(
    ("options", "taken"),
    [
        (Options(), {("imu",), ("video",), ("imu", "video")}),
        (Options(modalities=THREE), set(SUBSETS)),
        (Options(only=("skeleton", "imu")), {("imu",), ("skeleton",), ("imu", "skeleton")}),
        (Options(modalities=THREE, only=("video",)), {("video",)}),
        (Options(modalities=THREE, only=("video", "imu", "fusion")), {("imu", "video")}),
        (Options(modalities=THREE, only=("fusion",)), set(SUBSETS[3:])),
        (Options(modalities=THREE, only=("imu", "fusion")), {("imu",), *SUBSETS[3:]}),
        (Options(only=("imu", "imu")), {("imu",)}),
        (Options(modalities=THREE, only=("subsets",)), set(SUBSETS)),
    ],
)
def test_only_takes_the_subsets_of_what_it_names(options: Options, taken: set, three: Manifest) -> None:
    options = narrowed(options)
    read = used("modality_subsets", cells, options)
    assert read == tuple(sorted({modality for subset in taken for modality in subset}))
    study = Study(three.of(read), "demo", "paper", modalities=tuple(sorted(options.modalities)))
    plan = Plan.of("subsets", cells(study, 0), study.runs, options.only)
    assert {cell.modalities for cell in plan.cells} == taken


@pytest.mark.parametrize("only", [("sound",), ("video",), ("imu", "video"), ("ratio",)])
def test_what_it_has_not_is_refused(only: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=f"--only {only[-1]}: "):
        used("modality_subsets", cells, narrowed(Options(modalities=("imu", "skeleton"), only=only)))


def test_a_clip_that_lacks_a_modality_is_in_no_subset(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And the videos, which are not asked for, are not missed."""
    shutil.rmtree(folder / "RGB")
    (folder / "Skeleton/a3_s1_t1_skeleton.mat").unlink()
    options = Options("utd-mhad", folder, only=("skeleton", "imu"), dry_run=True, storage=tmp_path / "out")
    assert launch("modality_subsets", cells, narrowed(options)) == 2
    assert "a3_s1_t1_inertial.mat: has no skeleton recording" in capsys.readouterr().err
    options = Options("utd-mhad", folder, only=("skeleton", "imu"), skip_bad=True, dry_run=True, storage=tmp_path)
    assert launch("modality_subsets", cells, narrowed(options)) == 0
    said = capsys.readouterr().out
    assert "modality_subsets: 3 cells behind 3 runs" in said and "fusion imu+skeleton" in said
    found = [Manifest.read(file) for file in (tmp_path / "manifests").iterdir()]
    clips = [each.clips.column("clip").to_pylist() for each in found]
    assert len(found) == 3 and clips[0] == clips[1] == clips[2]
    assert len(clips[0]) == 11 and "a3_s1_t1" not in clips[0]


@pytest.mark.parametrize("experiment", [training_ratio, zero_shot], ids=lambda module: module.__name__)
def test_other_experiments_take_any_of_the_modalities(experiment, three: Manifest) -> None:
    study = Study(three.of(("imu", "skeleton")), "demo", "paper")
    plan = Plan.of("two", experiment.cells(study, 0), study.runs)
    assert len(plan.cells) == 12 and {cell.modalities for cell in plan.cells} == {
        ("imu",),
        ("skeleton",),
        ("imu", "skeleton"),
    }


@pytest.mark.long
def test_three_modalities_from_recordings_to_the_report(folder: Path, tmp_path: Path) -> None:
    words = [sys.executable, modality_subsets.__file__, "--corpus", "utd-mhad", "--recordings", folder]
    words += ["--modalities", *THREE, "--storage", tmp_path / "out"]
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    report = tmp_path / "out/reports/modality_subsets"
    results = json.loads((report / "results.json").read_text())
    assert len(results["runs"]) == 7 and {cell["status"] for cell in results["cells"]} == {"done"}
    rows = results["subsets"]
    assert [tuple(row["modalities"]) for row in rows] == SUBSETS and {row["clips"] for row in rows} == {6}
    assert [len(row["against"]) for row in rows] == [0, 0, 0, 2, 2, 2, 3]
    assert all(gap["holm"] >= gap["p"] for row in rows for gap in row["against"])
    [whole] = [cell for cell in results["cells"] if len(cell["modalities"]) == 3]
    assert rows[3]["left"]["mean"] == pytest.approx(whole["top1_without_video"]) and rows[6]["left"] is None
    for row in rows:
        [cell] = [cell for cell in results["cells"] if cell["modalities"] == row["modalities"]]
        assert row["top1"]["mean"] == pytest.approx(cell["top1"]) and cell["n"] == 6
    assert "Subsets of the modalities" in done.stdout and 'id="subsets"' in (report / "report.html").read_text()

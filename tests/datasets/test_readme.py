"""datasets/README.md: the files and lines of a data set or modality of one's own suffice."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tyro

from datasets.signals import inertial
from experiments import full_grid
from orchestrator.driver.launch import launch
from orchestrator.plan.options import Options
from orchestrator.plan.recipes import recipe_of
from tests.support.own import commands, copied, run, stages, with_folders


@pytest.fixture
def sounds(class_folders: Path, tmp_path: Path) -> Path:
    """Class folders with a sound's level beside each signal, and no video."""
    folder, draw = tmp_path / "sounds", np.random.default_rng(0)
    for signal in sorted(class_folders.glob("*/*.csv")):
        copy = folder / signal.parent.name / signal.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(signal, copy)
        level = 60 + 3 * draw.normal(size=(int(draw.integers(15, 25)), 1))
        np.savetxt(copy.with_suffix(".sound.csv"), level, "%.4g", header="level", comments="")
    return folder


def test_class_folders_through_the_pages_command(
    class_folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = next(words for words in commands("datasets/README.md") if "class-folders" in words)
    options = tyro.cli(Options, args=with_folders(words, class_folders, tmp_path)[2:])
    assert launch("full_grid", full_grid.cells, options) == 0
    assert "full_grid: 27 cells behind 24 runs, 0 done" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["paper", "tuned"])
def test_another_corpus_has_utd_mhads_recipe_that_nobody_chose_on_it(name: str) -> None:
    own, papers = recipe_of(name, "class-folders"), recipe_of(name, "utd-mhad")
    assert own.chosen_on == () and own == replace(papers, chosen_on=())


def test_the_pages_modality_has_a_plan_and_a_bad_file_of_it_is_named(sounds: Path, tmp_path: Path) -> None:
    project = copied("datasets/README.md", tmp_path / "project")
    words = next(words for words in commands("datasets/README.md") if "sound" in words)
    asked = [*with_folders(words, sounds, tmp_path / "out"), "--dry-run"]
    said = run(project, asked)
    assert "27 cells behind 24 runs, 0 done" in said and "fusion imu+sound" in said and "video" not in said
    spoilt = next(sounds.glob("*/*.sound.csv"))
    spoilt.write_text("level\n60\n300\n")
    done = subprocess.run(
        [sys.executable, *asked[1:]], cwd=project, env=os.environ | {"PYTHONPATH": str(project)},
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 2, done.stdout
    assert f"{spoilt.relative_to(sounds)}: has values that are no level" in done.stderr


@pytest.mark.long
def test_the_pages_corpus_passes_and_trains(six: Path, tmp_path: Path) -> None:
    project, recordings = copied("datasets/README.md", tmp_path / "project"), tmp_path / "recordings"
    recordings.mkdir()
    names = "standing walking running jumping waving clapping".split()
    for video in sorted((six / "RGB").iterdir()):
        action, subject, trial = (int(word[1:]) for word in video.name.split("_")[:3])
        file = recordings / f"P{3 * subject - 2}-{names[action - 1]}-{trial}.mp4"
        shutil.copy(video, file)
        signal = inertial.read_mat(six / "Inertial" / video.name.replace("color.avi", "inertial.mat"))
        file.with_suffix(".txt").write_text("\n".join(" ".join(map(str, row)) for row in signal[:, :3].tolist()))
    asked = [with_folders(words, recordings, tmp_path / "out") for words in commands("datasets/README.md")]
    test, train = [words for words in asked if "mine" in words]
    assert re.search(r"\b1\d passed", run(project, test))
    said = run(project, [*train, "--only", "modalities"])
    assert "corpus: our recordings, 12 clips" in said
    found = dict(stages(tmp_path / "out"))
    assert len(found) == 3
    film, txt = recordings / "P4-waving-1.mp4", recordings / "P4-waving-1.txt"
    words = ["--run", found["fusion"], "--storage", str(tmp_path / "out"), "--video", str(film), "--imu", str(txt)]
    said = run(project, ["python", "experiments/predict.py", *words])
    assert all(re.search(rf"^ *{name} +[01]\.\d{{4}}", said, re.MULTILINE) for name in names)


@pytest.mark.long
def test_the_pages_modality_trains_and_is_reported_tracked_predicted_served_exported_and_looked_at(
    sounds: Path, tmp_path: Path
) -> None:
    project, storage = copied("datasets/README.md", tmp_path / "project"), tmp_path / "out"
    words = next(words for words in commands("datasets/README.md") if "sound" in words)
    said = run(project, [*with_folders(words, sounds, storage), "--only", "modalities", "ratio"])
    assert re.search(r"Sound only +│ +\d", said) and re.search(r"IMU \+ Sound +│ +\d", said)
    found = dict(stages(storage))
    assert found.keys() == {"imu", "sound", "fusion"}
    place = ["--storage", str(storage)]
    assert "runs of class folders" in run(project, ["python", "experiments/track.py", *place])
    clip = next(sounds.glob("*/*.sound.csv"))
    one = ["--files", "sound", str(clip), "--imu", str(clip).replace(".sound.csv", ".csv")]
    said = run(project, ["python", "experiments/predict.py", "--run", found["fusion"], *place, *one])
    assert all(f"class{number}" in said for number in range(1, 7))
    out = ["--folder", str(sounds), "--out", str(tmp_path / "p.parquet")]
    assert "12 of 12 clips" in run(project, ["python", "experiments/predict.py", "--run", found["sound"], *place, *out])
    for name in ("model.onnx", "model"):
        asked = ["--run", found["fusion"], *place, "--out", str(tmp_path / name)]
        run(project, ["python", "experiments/export.py", *asked])
    ask = (
        "import sys, mlflow; model = mlflow.pyfunc.load_model(sys.argv[1]);"
        "print(model.predict(model.input_example).shape)"
    )
    assert "(1, 6)" in run(project, ["python", "-c", ask, str(tmp_path / "model")])
    run(project, ["python", "experiments/report.py", *place, "--look"])
    page = storage / "reports" / "full_grid"
    assert (page / "look0_signal.png").exists() and "To that logit add IMU" in (page / "report.html").read_text()

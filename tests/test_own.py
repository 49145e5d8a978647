"""The pages on a data set and a model of one's own: their files work, their lines suffice, their commands run."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import tyro
from torch import Tensor, nn
from torch.nn import functional as F

import models
from datasets import corpora
from datasets.signals import inertial
from experiments import full_grid, modality_comparison
from models import parts
from models.build import build, build_fusion, restore
from models.spec import FusionModel, ImuModel, VideoModel
from orchestrator.driver.launch import launch
from orchestrator.plan.options import Options
from orchestrator.plan.recipe import recipe_of
from orchestrator.plan.spec import DataSpec, Optimization, RunSpec

ROOT = Path(__file__).parent.parent
PAGES = ("datasets/README.md", "models/README.md")
FILE = re.compile(r"`(\S+\.py)`:\n\n```python\n(.*?)```", re.DOTALL)
LINE = re.compile(r"`(\S+\.py)`, in `(\w+)`:\n\n```python\n(.*?)```", re.DOTALL)
GRIDS = {"full_grid": full_grid.cells, "modality_comparison": modality_comparison.cells}


def text(page: str) -> str:
    return (ROOT / page).read_text()


def commands(page: str) -> list[list[str]]:
    """The words of each command of a page, less .venv/bin/."""
    return [shlex.split(line) for line in re.findall(r"^\.venv/bin/(.*)$", text(page), re.MULTILINE)]


def with_folders(words: list[str], recordings: Path, storage: Path) -> list[str]:
    return [{"DIR": str(recordings), "DIR2": str(storage)}.get(word, word) for word in words]


@pytest.mark.parametrize("page", PAGES)
def test_the_readme_leads_there_and_every_file_named_exists(page: str) -> None:
    assert f"`{page}`" in (ROOT / "README.md").read_text()
    written = {file for file, _ in FILE.findall(text(page))}
    named = set(re.findall(r"`((?:\w+/)+\w+\.py)(?::\w+)?`", text(page))) - written
    assert written and named and all((ROOT / file).exists() for file in named)
    assert not any((ROOT / file).exists() for file in written)


@pytest.fixture
def own_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files and lines of models/README.md, as if they were in models/."""
    monkeypatch.setattr(models, "__path__", [*models.__path__, str(tmp_path / "models")])
    write_files("models/README.md", tmp_path)
    for _, name, line in LINE.findall(text("models/README.md")):
        for part, value in eval(f"{{{line}}}", {"Video": parts.Video}).items():  # noqa: S307
            monkeypatch.setitem(getattr(parts, name), part, value)


def write_files(page: str, to: Path) -> None:
    for file, content in FILE.findall(text(page)):
        (to / file).parent.mkdir(parents=True, exist_ok=True)
        (to / file).write_text(content)


def clips() -> dict[str, Tensor]:
    return {
        "video": torch.randint(0, 256, (4, 8, 32, 32, 3), dtype=torch.uint8),
        "video_length": torch.tensor([8, 8, 8, 5]),
        "imu": torch.randn(4, 60, 6),
        "imu_length": torch.tensor([60, 60, 50, 60]),
        "label": torch.arange(4) % 3,
    }


def loss_falls(model: nn.Module) -> bool:
    torch.manual_seed(0)
    batch = clips()
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-3)
    losses = []
    for _ in range(8):
        loss = F.cross_entropy(model.train()(batch), batch["label"])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses[-1] < losses[0]


def test_the_pages_parts_train_alone_and_together(own_parts: None) -> None:
    torch.manual_seed(0)
    imu, video = build(ImuModel(encoder="gru"), 3), build(VideoModel(backbone="small"), 3)
    assert loss_falls(imu) and loss_falls(video)
    for by in ("gate", "concatenation", "attention"):
        fused = build_fusion(FusionModel(hidden=16, by=by, finetuned=("top",)), imu, video, 3)
        frozen = {name: value.clone() for name, value in fused.state_dict().items() if "features.0" in name}
        assert loss_falls(fused)
        assert frozen and all(torch.equal(fused.state_dict()[name], value) for name, value in frozen.items())
        batch = clips()
        with torch.no_grad():
            whole = fused.eval()(batch)
            torch.testing.assert_close(fused(batch | fused.trunk(batch)), whole)  # pyright: ignore
        restore(fused, fused.state_dict())


def test_the_papers_encoders_fuse_by_the_pages_gate(own_parts: None) -> None:
    fused = build_fusion(FusionModel(hidden=16, by="gate"), build(ImuModel(), 3), build(VideoModel(), 3), 3)
    assert fused.eval()(clips()).shape == (4, 3)


def test_a_part_is_in_the_key_and_moves_no_other(own_parts: None) -> None:
    spec = RunSpec(ImuModel(), DataSpec("5f0c", samples=60), Optimization(1e-3, 0, 4, 1), 0)
    own = replace(spec, model=ImuModel(encoder="gru"))
    assert own.key != spec.key and RunSpec.from_json(own.to_json()) == own
    assert "encoder" not in str(RunSpec.from_json(spec.to_json()).name)
    assert "gate" in replace(spec, model=FusionModel(by="gate")).name


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"imu.model.encoder": "nothing"}, "--set imu.model.encoder nothing"),
        ({"video.model.backbone": "small"}, "fusion.model.finetuned ['Mixed_4c', 'Mixed_5c']: small has no such block"),
    ],
)
def test_what_is_not_there_is_told_before_anything_starts(
    changes: dict[str, str], words: str, own_parts: None, six: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = Options("utd-mhad", six, set=changes, storage=tmp_path / "out", dry_run=True)
    assert launch("full_grid", full_grid.cells, options) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("words", commands("models/README.md"), ids=" ".join)
def test_the_plan_of_each_command_on_models(
    words: list[str], own_parts: None, six: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program, script, *flags = with_folders(words, six, tmp_path)
    assert program == "python" and (ROOT / script).exists()
    options = tyro.cli(Options, args=flags)
    given = replace(options, corpus="utd-mhad", recordings=six, dry_run=True)
    assert options.set and launch(Path(script).stem, GRIDS[Path(script).stem], given) == 0
    own = set(re.findall(r"^  ([0-9a-f]{16})", capsys.readouterr().out, re.MULTILINE))
    assert launch("x", GRIDS[Path(script).stem], replace(given, set={})) == 0
    papers = set(re.findall(r"^  ([0-9a-f]{16})", capsys.readouterr().out, re.MULTILINE))
    assert len(own) == len(papers) and own != papers
    if "fusion.model.by" in options.set:
        assert len(own & papers) == 2, "stage 1 is trained once for both"


def test_class_folders_through_the_pages_command(
    class_folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [words] = [words for words in commands("datasets/README.md") if "class-folders" in words]
    options = tyro.cli(Options, args=with_folders(words, class_folders, tmp_path)[2:])
    assert launch("full_grid", full_grid.cells, options) == 0
    assert "full_grid: 27 cells behind 24 runs, 0 done" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["paper", "tuned"])
def test_another_corpus_has_utd_mhads_recipe_that_nobody_chose_on_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, papers = recipe_of(name, "class-folders"), recipe_of(name, "utd-mhad")
    assert own.chosen_on == () and own == replace(papers, chosen_on=())
    nine = replace(corpora.of("class-folders"), channels=9, units=())
    monkeypatch.setattr(corpora, "of", lambda layout: nine)
    model = recipe_of(name, "class-folders").models["imu"]
    assert isinstance(model, ImuModel) and model.channels == 9


# In a copy of the project, with the files and lines that a page asks for


@pytest.fixture
def copy(tmp_path: Path) -> Callable[[str], Path]:
    def make(page: str) -> Path:
        project = tmp_path / "project"
        for package in ("datasets", "models", "orchestrator", "experiments", "tests"):
            shutil.copytree(ROOT / package, project / package, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", project)
        write_files(page, project)
        for file, name, line in LINE.findall(text(page)):
            before, head, after = (project / file).read_text().partition(f"{name} = {{\n")
            assert head, f"{file} has no {name}"
            (project / file).write_text(before + head + line + after)
        return project

    return make


def run(project: Path, words: list[str]) -> str:
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    program = {"python": [sys.executable], "pytest": [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]}
    done = subprocess.run(
        [*program[words[0]], *words[1:]],
        cwd=project, env=env | {"PYTHONPATH": str(project)}, capture_output=True, text=True, timeout=1200,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.long
def test_the_pages_corpus_passes_and_trains(copy: Callable[[str], Path], six: Path, tmp_path: Path) -> None:
    project, recordings = copy("datasets/README.md"), tmp_path / "recordings"
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
    assert "13 passed" in run(project, test)
    said = run(project, [*train, "--only", "modalities"])
    assert "corpus: our recordings, 12 clips" in said
    runs = [file.parent for file in (tmp_path / "out" / "runs").glob("*/done.json")]
    assert len(runs) == 3
    [fused] = [run for run in runs if json.loads((run / "spec.json").read_text())["kind"] == "fusion"]
    film, txt = recordings / "P4-waving-1.mp4", recordings / "P4-waving-1.txt"
    words = ["--run", fused.name, "--storage", str(tmp_path / "out"), "--video", str(film), "--imu", str(txt)]
    said = run(project, ["python", "experiments/predict.py", *words])
    assert all(re.search(rf"^ *{name} +[01]\.\d{{4}}", said, re.MULTILINE) for name in names)


@pytest.mark.long
@pytest.mark.parametrize("words", commands("models/README.md"), ids=" ".join)
def test_the_pages_models_are_trained(words: list[str], copy: Callable[[str], Path], six: Path, tmp_path: Path) -> None:
    given = [*with_folders(words, six, tmp_path / "out"), "--corpus", "utd-mhad", "--recordings", str(six)]
    run(copy("models/README.md"), [*given, "--only", "modalities"])
    assert len(list((tmp_path / "out" / "runs").glob("*/done.json"))) == 3

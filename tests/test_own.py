"""The pages on what is one's own, a data set, a modality, a model or a method: their files and lines suffice."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
import tyro
from torch import Tensor

from datasets import modalities
from datasets.modalities import imu
from datasets.signals import inertial
from experiments import full_grid, fusion_comparison, modality_comparison
from models import encoders, joins, methods
from models.build import build
from models.network import Network
from models.spec import EncoderSpec, HeadSpec, NetworkSpec
from orchestrator.driver.launch import launch
from orchestrator.plan.options import Options
from orchestrator.plan.recipes import recipe_of
from orchestrator.plan.spec import DataSpec, Optimization, RunSpec

ROOT = Path(__file__).parent.parent
PAGES = ("datasets/README.md", "models/README.md")
FILE = re.compile(r"`(\S+\.py)`:\n\n```python\n(.*?)```", re.DOTALL)
LINE = re.compile(r"`(\S+\.py)`, in `(\w+)`:\n\n```python\n(.*?)```", re.DOTALL)
GRIDS = {module.__name__.partition(".")[2]: module for module in (full_grid, fusion_comparison, modality_comparison)}


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
    named = set(re.findall(r"`((?:\w+/)+\w+\.py)(?::[\w.]+)?`", text(page))) - written
    assert written and named and all((ROOT / file).exists() for file in named)
    assert not any((ROOT / file).exists() for file in written)


@pytest.fixture
def own_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files and lines of both pages, as if they were in the project."""
    for page in PAGES:
        write_files(page, tmp_path)
    for package in (encoders, joins, methods, modalities):
        where = tmp_path / package.__name__.replace(".", "/")
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(where)])
    for page in PAGES:
        for file, name, line in LINE.findall(text(page)):
            module = import_module(file.removesuffix("/__init__.py").removesuffix(".py").replace("/", "."))
            for part, value in eval(f"{{{line}}}", vars(module)).items():  # noqa: S307
                monkeypatch.setitem(getattr(module, name), part, value)


def write_files(page: str, to: Path) -> None:
    for file, content in FILE.findall(text(page)):
        (to / file).parent.mkdir(parents=True, exist_ok=True)
        (to / file).write_text(content)


def clips() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return {
        "imu": torch.randn(4, 60, 6),
        "imu_length": torch.tensor([60, 60, 50, 60]),
        "video": torch.randint(0, 256, (4, 8, 32, 32, 3), dtype=torch.uint8),
        "video_length": torch.tensor([8, 8, 8, 5]),
        "label": torch.arange(4) % 3,
    }


def loss_falls(model: Network) -> bool:
    batch, losses = clips(), []
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-3)
    for _ in range(8):
        loss = model.train()(batch)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses[-1] < losses[0]


def alone(name: str, modality: str) -> Network:
    return build(NetworkSpec({modality: EncoderSpec(name)}, HeadSpec(hidden=16)), 3, seed=0)


def test_the_pages_parts_train_alone_and_together(own_parts: None) -> None:
    parents = {"imu": alone("gru", "imu"), "video": alone("small", "video")}
    assert all(map(loss_falls, parents.values()))
    both = {"imu": EncoderSpec("gru"), "video": EncoderSpec("small")}
    for join in ("gate", "concatenation", "attention"):
        head = HeadSpec(hidden=16, join=join, finetuned={"video": ("top",)})
        fused = build(NetworkSpec(both, head), 3, 0, parents)
        frozen = {name: value.clone() for name, value in fused.state_dict().items() if "video.layers.0" in name}
        assert loss_falls(fused)
        assert frozen and all(torch.equal(fused.state_dict()[name], value) for name, value in frozen.items())
        batch = clips()
        with torch.no_grad():
            whole = fused.eval().logits(batch)  # pyright: ignore
            made = fused.trunk(batch, "video")
            torch.testing.assert_close(fused.logits(batch | made), whole)


def test_the_papers_encoders_fuse_by_the_pages_gate(own_parts: None) -> None:
    both = {"imu": EncoderSpec("cnn"), "video": EncoderSpec("s3d")}
    fused = build(NetworkSpec(both, HeadSpec(hidden=16, join="gate")), 3, 0)
    assert fused.eval().logits(clips()).shape == (4, 3)  # pyright: ignore


def test_late_fusion_is_the_mean_and_does_without_a_modality(own_parts: None) -> None:
    both = {"imu": EncoderSpec("cnn"), "video": EncoderSpec("small")}
    parents = {"alone_imu": alone("cnn", "imu").eval(), "alone_video": alone("small", "video").eval()}
    fused = build(NetworkSpec(both, objective="late_fusion:LateFusion"), 3, 0, parents).eval()  # pyright: ignore
    batch = clips()
    with torch.no_grad():
        said = [parent.logits(batch).softmax(1) for parent in parents.values()]  # pyright: ignore
        torch.testing.assert_close(fused.logits(batch).softmax(1), (said[0] + said[1]) / 2)  # pyright: ignore
        without = batch | {"video_length": torch.zeros(4, dtype=torch.long)}
        torch.testing.assert_close(fused.logits(without).softmax(1), said[0])  # pyright: ignore
    assert not any(p.requires_grad for p in fused.parameters())
    assert not any(module.training for module in fused.train().modules())


def test_a_part_is_in_the_key_and_moves_no_other(own_parts: None) -> None:
    data = DataSpec("5f0c", {"imu": imu.Input(60, 6)})
    spec = RunSpec("imu", NetworkSpec({"imu": EncoderSpec("cnn")}), data, Optimization(1e-3, 0, 4, 1), 0)
    own = replace(spec, network=NetworkSpec({"imu": EncoderSpec("gru")}))
    assert own.key != spec.key and RunSpec.from_json(json.loads(json.dumps(own.to_json()))) == own
    assert "gate" in replace(spec, network=replace(spec.network, head=HeadSpec(join="gate"))).name


def test_a_setting_that_comes_later_moves_no_key(own_parts: None, monkeypatch: pytest.MonkeyPatch) -> None:
    data = DataSpec("5f0c", {"imu": imu.Input(60, 6)})

    def key(**settings: object) -> str:
        network = NetworkSpec({"imu": EncoderSpec("gru", settings)})
        return RunSpec("imu", network, data, Optimization(1e-3, 0, 4, 1), 0).key

    before, line = key(), encoders.ENCODERS["gru"]
    later = replace(line, settings={**line.settings, "layers": 2}, left_out={"layers": 2})
    monkeypatch.setitem(encoders.ENCODERS, "gru", later)
    assert key() == key(layers=2) == before != key(layers=3)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"imu.model.encoder": "nothing"}, "--set imu.model.encoder nothing"),
        ({"video.model.encoder": "small"}, "finetuned video ['Mixed_4c', 'Mixed_5c']: small has no such block"),
    ],
)
def test_what_is_not_there_is_told_before_anything_starts(
    changes: dict[str, str], words: str, own_parts: None, six: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = Options("utd-mhad", six, set=changes, storage=tmp_path / "out", dry_run=True)
    assert launch("full_grid", full_grid.cells, options) == 2
    assert words in capsys.readouterr().err


def planned(script: str, options: Options, capsys: pytest.CaptureFixture[str]) -> set[str]:
    """The keys of a script's plan."""
    cells = GRIDS[Path(script).stem].cells
    if isinstance(options, fusion_comparison.Compared):
        cells = lambda study, seed: fusion_comparison.cells(study, seed, options.methods)  # noqa: E731
    assert launch(Path(script).stem, cells, replace(options, dry_run=True)) == 0
    return set(re.findall(r"^  ([0-9a-f]{16})", capsys.readouterr().out, re.MULTILINE))


@pytest.mark.parametrize("words", commands("models/README.md"), ids=" ".join)
def test_the_plan_of_each_command_on_models(
    words: list[str], own_parts: None, six: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program, script, *flags = with_folders(words, six, tmp_path)
    assert program == "python" and (ROOT / script).exists()
    kind = fusion_comparison.Compared if "fusion_comparison" in script else Options
    given = replace(tyro.cli(kind, args=flags), corpus="utd-mhad", recordings=six)
    own = planned(script, given, capsys)
    papers = planned(script, Options("utd-mhad", six, storage=given.storage), capsys)
    assert own and own != papers
    if "fusion.model.join" in given.set or isinstance(given, fusion_comparison.Compared):
        assert len(own & papers) >= 2, "stage 1 is trained once for both"


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


# A modality


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
            inside, end, rest = after.partition("\n}\n")
            (project / file).write_text(before + head + inside + "\n" + line.rstrip() + end + rest)
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


def stages(storage: Path) -> Iterator[tuple[str, str]]:
    """Stage and key of each run that is done."""
    for file in (storage / "runs").glob("*/done.json"):
        yield json.loads((file.parent / "spec.json").read_text())["spec"]["stage"], file.parent.name


def test_the_pages_modality_has_a_plan_and_a_bad_file_of_it_is_named(
    copy: Callable[[str], Path], sounds: Path, tmp_path: Path
) -> None:
    project = copy("datasets/README.md")
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
    copy: Callable[[str], Path], sounds: Path, tmp_path: Path
) -> None:
    project, storage = copy("datasets/README.md"), tmp_path / "out"
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


@pytest.mark.long
@pytest.mark.parametrize("words", commands("models/README.md"), ids=" ".join)
def test_the_pages_models_are_trained(words: list[str], copy: Callable[[str], Path], six: Path, tmp_path: Path) -> None:
    given = [*with_folders(words, six, tmp_path / "out"), "--corpus", "utd-mhad", "--recordings", str(six)]
    only = ["modalities", "fusions"] if "fusion_comparison" in words[1] else ["modalities"]
    run(copy("models/README.md"), [*given, "--only", *only])
    assert len(list(stages(tmp_path / "out"))) == (4 if "fusion_comparison" in words[1] else 3)

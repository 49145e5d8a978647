"""Every command in README.md and the pages is run, or, where that takes a cluster or minutes, held against its program.

Plans are made by a dry run; what reads a storage reads a small one of untrained runs.
"""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import tyro

from datasets.manifest import Manifest
from datasets.synthetic import mmact as synthetic_mmact
from experiments import fusion_comparison, predict, report, table2
from orchestrator.driver.launch import launch
from orchestrator.driver.recipe_search import SearchOptions
from orchestrator.plan.options import Options
from orchestrator.plan.plan import Cell, Plan
from orchestrator.plan.study import Study
from orchestrator.report import results
from orchestrator.serving import saliency
from orchestrator.storage.store import Store
from tests.docker.deployment import check_ray
from tests.support.pages import PAGES, ROOT, commands, flags, script_of

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
PLANS = "full_grid modality_comparison modality_subsets training_ratio zero_shot stage_ablation".split()
PLANS += ["fusion_comparison", "table2"]
# Script to the class of its flags and the function they go to. All of them: a new script is a line here.
SCRIPTS = dict.fromkeys((f"{name}.py" for name in PLANS), "Options launch") | {
    "fusion_comparison.py": "Compared launch", "table2.py": "Compared launch",
    "recipe_search.py": "SearchOptions search", "prepare.py": "Options prepare", "predict.py": "Asked predict",
    "export.py": "Asked export", "status.py": "Which status", "report.py": "Pages rewrite", "record.py": "Which record",
    "track.py": "Where track", "benchmark.py": "Asked measure", "record_table.py": "Asked show",
}  # fmt: skip
# What isn't run here, and what runs it instead.
ELSEWHERE = {
    "benchmark.py": "tests/experiments/test_benchmark.py",
    **dict.fromkeys(("mine", "sound"), "tests/datasets/test_readme.py"),
    **dict.fromkeys(("gru", "small", "gate", "late-fusion"), "tests/models/test_readme.py"),
}
# Flags of programs that nobody needs to have installed. Theirs are long settled.
OTHERS = {
    "kubectl create secret generic": "--from-literal", "kubectl apply": "--filename", "kubectl logs": "--follow",
    "kubectl port-forward": "", "kubectl get secret": "--output", "docker build": "--file --tag",
    "docker compose": "--file --build --detach --address --username --rm", "pg_dump": "--username --file",
     "openssl rand": "-hex", "base64": "--decode", "export": "",
    "playwright install chromium": "", "cp": "",
}  # fmt: skip
KNOWN = {"make", "python", "pytest", "ray", "mlflow"}
ALL = [words for page in PAGES for words in commands(page)]
STARTS = list({" ".join(found[1]): found for words in ALL if (found := script_of(words))}.values())


def test_every_command_is_of_a_program_that_is_checked_here() -> None:
    assert len(ALL) > 50 and all(len(list(commands(page))) >= 3 for page in PAGES)
    for words in ALL:
        line = " ".join(words)
        assert "..." not in words, f"{line}: can't be typed as it stands"
        assert words[0] in KNOWN or script_of(words) or any(line.startswith(name) for name in OTHERS), line


def test_every_script_can_be_asked() -> None:
    there = {file.name for file in (ROOT / "experiments").glob("*.py") if "tyro.cli(" in file.read_text()}
    assert there == SCRIPTS.keys(), "a new script is a line in SCRIPTS"
    assert all((ROOT / where).exists() for where in ELSEWHERE.values())


@pytest.mark.parametrize(
    "words", [words for words in ALL if any(map(" ".join(words).startswith, OTHERS))], ids=" ".join
)
def test_other_programs_get_flags_they_have_and_files_that_are_there(words: list[str]) -> None:
    line = " ".join(words)
    name = max((name for name in OTHERS if line.startswith(name)), key=len)
    own = line.partition(" -- ")[0].split()  # what is behind is a command by itself
    assert {word.partition("=")[0] for word in own if word.startswith("-")} <= set(OTHERS[name].split())
    assert all((ROOT / word).exists() for word in own if word.startswith("docker/"))


def test_make_has_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for words in (words for words in ALL if words[0] == "make"):
        assert re.search(rf"^{words[1]}:", makefile, re.MULTILINE), words


def test_pytest_knows_its_flags() -> None:
    [words] = [words for words in ALL if words[0] == "pytest"]
    added = re.findall(r'addoption\("(--\w+)"', (ROOT / "tests/conftest.py").read_text())
    assert (ROOT / words[1]).exists() and {word for word in words if word.startswith("--")} <= set(added)


def test_ray_knows_every_command_and_its_flags() -> None:
    for words in (words[1:] for words in ALL if words[0] == "ray"):
        check_ray(words, bare=len(words) <= 2)


@pytest.mark.long  # importing MLflow's commands takes seconds
def test_mlflow_knows_every_command_and_its_flags() -> None:
    from click import Context, Group
    from mlflow.cli import cli

    for words in (words[1:] for words in ALL if words[0] == "mlflow"):
        group, context = cli, Context(cli)
        while words and isinstance(group, Group):
            group = group.get_command(context, words.pop(0))  # `mlflow ui` is an alias, and in no list of commands
        assert group, words
        group.make_context("", words)


@pytest.mark.parametrize("words", [words for page in PAGES for words in flags(page)], ids=" ".join)
def test_flags_alone_are_flags_of_a_start(words: list[str]) -> None:
    """One without a value is only named."""
    kinds = (SearchOptions, fusion_comparison.Compared, table2.Compared, predict.Asked, report.Pages)
    names = {"help", *(name.replace("_", "-") for kind in kinds for name in kind.__dataclass_fields__)}
    assert words[0].removeprefix("--") in names
    if len(words) > 1:
        of = {"--settings": SearchOptions, "--files": predict.Asked, "--against": report.Pages}.get(words[0], Options)
        tyro.cli(of, args=[*words, "--run", "KEY"] if of is predict.Asked else words)


# What a start is given for the words of a page


@pytest.fixture(scope="module")
def small(made: tuple, manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A storage whose full_grid is three untrained runs that are done."""
    store = Store(shutil.copytree(made[0].root, tmp_path_factory.mktemp("commands") / "storage"))
    specs = {kind: made[1][f"{kind} paper"] for kind in ("imu", "video", "fusion")}
    labels = manifest.clips["label"].to_numpy()
    predicted = np.where(np.arange(len(labels)) % 3, labels, (labels + 1) % 3)
    sure = list(np.eye(3, dtype=np.float32)[predicted] * 0.7 + 0.1)
    table = manifest.clips.select(["clip", "subject", "label"]).append_column("predicted", pa.array(predicted))
    for spec in specs.values():
        folder = store.run(spec.key)
        folder.append_history({"epoch": 1, "loss": 1.0, "train_top1": 0.5, "seconds": 0.1})
        folder.write_metrics({"top1": 0.5, "top5": 1.0, "f1": 0.5, "k": 6, "n": 12})
        folder.write_predictions(table.append_column("probabilities", pa.array(sure)))
    cells = [Cell("modalities", kind, 1.0, 0, spec.key, spec.modalities) for kind, spec in specs.items()]
    plan = Plan.of("full_grid", cells, {spec.key: spec for spec in specs.values()})  # pyright: ignore
    about = {"seeds": 1, "command": "full_grid.py", "created": "2026-11-22T20:00:00Z"}
    found = results.collect(plan, Study(manifest, "demo", "paper"), store, {}, about)
    store.report("full_grid").mkdir(parents=True)
    (store.report("full_grid") / "results.json").write_text(json.dumps(found))
    return store.root


@pytest.fixture
def given(
    small: Path, made: tuple, files: dict[str, Path], csv: Path, recordings: Path, six: Path,
    class_folders: Path, tmp_path: Path, request: pytest.FixtureRequest,
) -> Callable[[str, list[str]], list[str]]:  # fmt: skip
    """The words with what is there for DIR, KEY and the like, by the flag before them."""

    def corpus(words: list[str]) -> Path:
        name = words[words.index("--corpus") + 1] if "--corpus" in words else ""
        if name == "mmact":
            return request.getfixturevalue("whole_mmact")
        if "--modality" in words:
            return request.getfixturevalue("grid_recordings")
        return class_folders if name == "class-folders" else six

    def fill(script: str, words: list[str]) -> list[str]:
        key = made[1]["imu paper" if "model.onnx" in words else "fusion paper"].key
        reads = script in ("predict.py", "export.py", "status.py", "report.py", "record.py", "track.py")
        by_flag = {"--storage": small if reads else small.parent / "plans", "--recordings": corpus(words), "--run": key}
        by_flag |= {"--video": files["video"], "--imu": csv, "--folder": recordings, "--beside": small}
        by_flag |= {
            "--against": small / "reports/full_grid",
            "--plan": "full_grid",
            "--tracking-uri": f"sqlite:///{small.parent / 'mlflow.db'}",
        }
        out = [str(by_flag.get(flag, word)) for flag, word in zip(["", *words], words, strict=False)]
        out = [str(tmp_path / word) if flag == "--out" else word for flag, word in zip(["", *out], out, strict=False)]
        return (
            out if "--storage" in out or script == "record_table.py" else [*out, "--storage", str(by_flag["--storage"])]
        )

    return fill


@pytest.fixture(scope="session")
def whole_mmact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthetic_mmact.write(tmp_path_factory.mktemp("whole-mmact"))


def marks(script: str, words: list[str]) -> list[pytest.MarkDecorator]:
    """MMAct's corpus is drawn in minutes; four subjects are checked, a model is packed and all methods of Table 2 are
    planned with what they read in many seconds."""
    packs = script == "export.py" and "model.onnx" not in words
    slow = packs or "mmact" in words or script in ("recipe_search.py", "table2.py")
    return [pytest.mark.long] if slow else []


@pytest.mark.parametrize(
    ("script", "words"),
    [pytest.param(*start, marks=marks(*start), id=" ".join([start[0], *start[1]])) for start in STARTS],
)
def test_every_start_of_a_script_is_what_it_takes(
    script: str, words: list[str], given: Callable, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    if ELSEWHERE.keys() & {script, *words}:
        pytest.skip(f"run by {ELSEWHERE[(ELSEWHERE.keys() & {script, *words}).pop()]}")
    kind, name = SCRIPTS[script].split()
    module = import_module(f"experiments.{script.removesuffix('.py')}")
    asked = tyro.cli(getattr(module, kind), args=given(script, words))
    for limit, value in (("EACH", 1), ("STEPS", 2), ("MOMENTS", 2)):
        monkeypatch.setattr(saliency, limit, value)
    if script == "record.py":
        monkeypatch.setattr(module, "FOLDER", tmp_path)
    if script == "export.py" and "--tracking-uri" in words:
        import_module("experiments.track").track(
            import_module("experiments.track").Where(asked.tracking_uri, asked.storage)
        )
    if name == "launch":
        asked = module.narrowed(asked) if script == "modality_subsets.py" else asked
        code = launch(script.removesuffix(".py"), module.cells, replace(asked, dry_run=True))
    elif name == "search":
        code = module.search(replace(asked, dry_run=True), module.SPACES[asked.modality])
    else:
        code = getattr(module, name)(asked)
    said = capsys.readouterr().out
    assert code == 0 and said, said
    if script == "status.py":
        assert set(re.findall(r"\b[0-9a-f]{16}\b", said)) == {
            file.parent.name for file in (asked.storage / "runs").glob("*/metrics.json")
        }

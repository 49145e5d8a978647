"""The pages on what is one's own (a data set, a modality, a model, a method): their files, lines and commands."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = ("datasets/README.md", "models/README.md")
FILE = re.compile(r"`(\S+\.py)`:\n\n```python\n(.*?)```", re.DOTALL)
LINE = re.compile(r"`(\S+\.py)`, in `(\w+)`:\n\n```python\n(.*?)```", re.DOTALL)


def text(page: str) -> str:
    return (ROOT / page).read_text()


def commands(page: str) -> list[list[str]]:
    """The words of each command of a page, less .venv/bin/."""
    return [shlex.split(line) for line in re.findall(r"^\.venv/bin/(.*)$", text(page), re.MULTILINE)]


def with_folders(words: list[str], recordings: Path, storage: Path) -> list[str]:
    return [{"DIR": str(recordings), "DIR2": str(storage)}.get(word, word) for word in words]


def write_files(page: str, to: Path) -> None:
    for file, content in FILE.findall(text(page)):
        (to / file).parent.mkdir(parents=True, exist_ok=True)
        (to / file).write_text(content)


def copied(page: str, project: Path) -> Path:
    """The project, with the files and lines that a page asks for."""
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

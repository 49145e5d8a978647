"""The README's tour leads where it says."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
STOPS = re.findall(r"`((?:experiments|orchestrator|models|datasets)/\S+\.py):([\w.]+)`", README)


def test_the_tour_passes_through_driver_trial_and_worker():
    files = [file for file, _ in STOPS]
    for file in ("launch", "run", "train"):
        assert f"orchestrator/{file}.py" in files


@pytest.mark.parametrize(("file", "name"), STOPS)
def test_every_stop_exists(file: str, name: str):
    scope: list[ast.stmt] = ast.parse((ROOT / file).read_text()).body
    for part in name.split("."):
        found = [node for node in scope if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == part]
        assert found, f"{file} has no {name}"
        scope = found[0].body


@pytest.mark.parametrize("file", sorted(set(re.findall(r"`?((?:experiments|orchestrator)/\w+\.(?:py|md))", README))))
def test_every_file_named_exists(file: str):
    assert (ROOT / file).exists()


def test_make_targets_named_exist():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\S+)", README, flags=re.M):
        assert re.search(rf"^{target}:", makefile, flags=re.M), target

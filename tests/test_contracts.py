"""What holds between packages: who imports whom, whose `datasets` it is, and what is loaded before it is needed."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

import datasets
from orchestrator.cluster import connect

ROOT = Path(__file__).parents[1]
HEAVY = {"ray", "torch", "mlflow", "sklearn", "av"}


def run(*command: str, cwd: Path = ROOT, **env: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH")}
    return subprocess.run(command, cwd=cwd, env=kept | env, capture_output=True, text=True, timeout=300)


def test_imports_point_down() -> None:
    done = run(str(Path(sys.executable).parent / "lint-imports"))
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


def test_datasets_is_ours_and_docker_is_not() -> None:
    assert Path(datasets.__file__ or "").parent == ROOT / "datasets"
    connect.check_packages()
    # MLflow imports the package `docker`; a module in our folder of that name would hide it.
    assert not list((ROOT / "docker").rglob("*.py"))
    docker = find_spec("docker")
    assert docker and ROOT / "docker" not in Path(docker.origin or "").parents


def test_another_datasets_is_refused_in_one_line(tmp_path: Path) -> None:
    other = tmp_path / "elsewhere" / "datasets"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text('__version__ = "4.0.0"\n')
    script = str(ROOT / "experiments" / "full_grid.py")
    done = run(sys.executable, script, "--dry-run", cwd=tmp_path, PYTHONPATH=str(other.parent))
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(f"error: the package datasets is {other / '__init__.py'}, not this project's")
    assert done.stderr.count("\n") == 1 and "make setup" in done.stderr
    assert not done.stdout and not (tmp_path / "output").exists()


@pytest.mark.parametrize(
    "modules", ["orchestrator.plan.plan, orchestrator.plan.spec", "orchestrator.report.html", "models.spec"]
)
def test_light_modules_load_nothing_heavy(modules: str) -> None:
    done = run(sys.executable, "-c", f"import sys, {modules}; print(*({HEAVY} & set(sys.modules)))")
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr


def test_a_command_starts_without_what_only_workers_and_the_report_need() -> None:
    """Seconds of imports that would come before the first line."""
    late = {"torch", "sklearn", "scipy.stats", "matplotlib", "mlflow"}
    done = run(sys.executable, "-c", f"import sys, experiments.full_grid; print(*({late} & set(sys.modules)))")
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr


ROOMS = sorted(file.parent for file in (ROOT / "orchestrator").rglob("__init__.py"))


@pytest.mark.parametrize("room", ROOMS[1:], ids=lambda room: room.name)
def test_a_folder_says_what_it_holds_where_it_runs_and_what_it_imports(room: Path) -> None:
    assert len(list(room.glob("*.py"))) <= 14
    said = ast.get_docstring(ast.parse((room / "__init__.py").read_text())) or ""
    assert "Runs " in said and "Imports " in said


@pytest.mark.parametrize("script", sorted((ROOT / "experiments").glob("*.py")), ids=lambda script: script.stem)
def test_help_keeps_each_example_on_a_line_of_its_own(script: Path) -> None:
    """--help joins the lines of a paragraph, so an example is a paragraph."""
    said = ast.get_docstring(ast.parse(script.read_text())) or ""
    examples = {line for line in said.splitlines() if re.match("(python|ray|mlflow|make) ", line)}
    assert examples <= set(said.split("\n\n")) and (examples or script.stem == "__init__")


def test_a_wheel_has_every_folder_and_template() -> None:
    """`packages.find` takes a folder with an __init__.py below the four that it names; data is named by its package."""
    found = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    tops = {pattern.removesuffix("*") for pattern in found["packages"]["find"]["include"]}
    files = [file for top in tops for file in (ROOT / top).rglob("*") if "__pycache__" not in file.parts]
    assert all((file.parent / "__init__.py").exists() for file in files if file.suffix == ".py")
    templates = {".".join(file.parent.relative_to(ROOT).parts) for file in files if file.suffix == ".j2"}
    assert templates and all("*.j2" in found["package-data"][package] for package in templates)

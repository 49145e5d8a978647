"""Nothing let in, nothing told: what is unpickled, what is shown of a password, what a Ray here listens to."""

import ast
import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import mlflow
import pytest

from datasets.files.atomic import write_whole
from experiments.export import Asked, export
from experiments.track import Where, track
from orchestrator.cluster import connect
from orchestrator.driver.terminal import refuse_bad_input
from orchestrator.storage.redaction import without_secrets

ROOT = Path(__file__).parent.parent
SOURCES = [
    file for part in ("orchestrator", "models", "datasets", "experiments") for file in (ROOT / part).rglob("*.py")
]


def calls(name: str) -> list[ast.Call]:
    """Every call of something of this name, as torch.load is one of "load"."""
    nodes = [node for file in SOURCES for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
    return [node for node in nodes if getattr(node.func, "attr", getattr(node.func, "id", None)) == name]


def test_weights_are_never_unpickled() -> None:
    loads = [node for node in calls("load") if ast.unparse(node.func) == "torch.load"]
    assert len(loads) >= 2
    for load in loads:
        assert "weights_only=True" in ast.unparse(load)


@pytest.mark.parametrize("name", ["eval", "exec", "system", "popen", "unsafe_load", "loads_pickle"])
def test_nothing_is_evaluated(name: str) -> None:
    found = [node for node in calls(name) if ast.unparse(node.func) in (name, f"os.{name}", f"yaml.{name}")]
    assert not found


def test_no_shell_and_no_pickle() -> None:
    """Only one file knows pickle, to refuse what is no array (tests/orchestrator/storage/test_arrays.py)."""
    for file in SOURCES:
        text = file.read_text()
        assert "shell=True" not in text and "allow_pickle" not in text, file
        assert ("import pickle" in text) == (file == ROOT / "orchestrator/storage/arrays.py"), file
    for name in ("load", "loads", "Unpickler"):
        assert not [node for node in calls(name) if ast.unparse(node.func).startswith("pickle.")]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://user:s3cret@lab:5000/x", "http://***@lab:5000/x"),
        ("python a.py --tracking-uri=https://tok@lab/", "python a.py --tracking-uri=https://***@lab/"),
        ("postgresql://me:a:b@db/mlflow", "postgresql://***@db/mlflow"),
        ("postgresql://me:a/b@db/mlflow", "postgresql://***@db/mlflow"),
        ("http://user:p@ss@lab", "http://***@lab"),
        ("mysql://me:a/b?c#d@e@db:3306/mlflow", "mysql://***@db:3306/mlflow"),
        ("postgresql+psycopg://db/mlflow?user=me&password=s3", "postgresql+psycopg://db/mlflow?user=me&password=***"),
        ("https://lab/?access_token=abc&x=1", "https://lab/?access_token=***&x=1"),
        ("two http://a:b@c and http://d:e@f", "two http://***@c and http://***@f"),
        ("sqlite:////data/mlflow.db", "sqlite:////data/mlflow.db"),
        ("sqlite:////data/me@lab/mlflow.db", "sqlite:////data/me@lab/mlflow.db"),
        ("http://lab:5000", "http://lab:5000"),
        ("python a.py --storage /data/me@lab", "python a.py --storage /data/me@lab"),
    ],
)
def test_a_password_is_not_shown(text: str, shown: str) -> None:
    assert without_secrets(text) == shown


@pytest.mark.parametrize("mode", ["disabled", "DISABLED", "none", ""])
def test_a_ray_without_a_token_is_not_started(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", mode)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(connect.ray, "is_initialized", lambda: False)
    with pytest.raises(ValueError, match=rf"RAY_AUTH_MODE={mode}: .* without a token .* Unset RAY_AUTH_MODE"):
        connect.connect(None)
    for given, named in (("local", ""), (None, "local")):  # Ray's word for starting one here
        monkeypatch.setenv("RAY_ADDRESS", named)
        assert connect.to_join(given) is None
        with pytest.raises(ValueError, match="without a token"):
            connect.connect(given)
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    connect.check_token()


ADDRESS = "http://u:s3cret@127.0.0.1:1"


def test_an_error_shows_no_password(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> int:
        raise ValueError(f"MLflow at {ADDRESS} has no such run")

    assert refuse_bad_input(fail) == 2
    assert capsys.readouterr().err == "error: MLflow at http://***@127.0.0.1:1 has no such run\n"


@pytest.mark.filterwarnings("ignore")  # MLflow's own, of its own types
def test_a_server_that_does_not_answer_is_one_sentence(
    made: tuple, tmp_path: Path, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    request.addfinalizer(partial(mlflow.set_tracking_uri, mlflow.get_tracking_uri()))  # `export` sets the process's
    key = made[1]["imu paper"].key
    shutil.copytree(made[0].root, tmp_path / "storage")
    about: dict = dict.fromkeys(("plan", "corpus", "scale", "recipe", "protocol", "protocol_text", "created"), "p")
    about |= {"modalities": {"imu": "IMU", "video": "p"}}
    (tmp_path / "storage/reports/p").mkdir(parents=True)
    write_whole(tmp_path / "storage/reports/p/results.json", json.dumps(about | {"classes": ["a"], "runs": {}}))
    for command in (
        lambda: track(Where(ADDRESS, tmp_path / "storage")),
        lambda: export(Asked(key, storage=tmp_path / "storage", tracking_uri=ADDRESS)),
    ):
        assert refuse_bad_input(command) == 2
        said = capsys.readouterr()
        assert said.err.startswith("error: MLflow at http://***@127.0.0.1:1: No server answers there")
        assert said.err.count("\n") == 1 and "s3cret" not in said.out + said.err


def told_nowhere(storage: Path, said: str) -> None:
    """The password is in no file of the storage, nor in what the terminal showed."""
    assert "s3cret" not in said
    files = [file for file in storage.rglob("*") if file.is_file()]
    assert files and not [file for file in files if b"s3cret" in file.read_bytes()]


def test_a_dry_run_tells_no_password(start: Callable, tmp_path: Path) -> None:
    ended = start(tmp_path, "--dry-run", "--tracking-uri", ADDRESS)
    assert ended.returncode == 0, ended.stderr
    told_nowhere(tmp_path, ended.stdout + ended.stderr)


@pytest.mark.long
def test_a_start_tells_no_password(start: Callable, tmp_path: Path) -> None:
    """With all that it records of the command, and what it says of a server that never answers."""
    ended = start(tmp_path, "--only", "modalities", "imu", "--tracking-uri", ADDRESS)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "MLflow at http://***@127.0.0.1:1" in ended.stdout
    assert "http://***@127.0.0.1:1" in (tmp_path / "reports/full_grid/results.json").read_text()
    told_nowhere(tmp_path, ended.stdout + ended.stderr)

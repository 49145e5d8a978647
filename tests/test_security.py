"""Nothing let in, nothing told: what is unpickled, what is shown of a password, what a Ray here listens to."""

import ast
from pathlib import Path

import pytest

from orchestrator import cluster
from orchestrator.options import without_secrets

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
    assert len(loads) >= 3
    for load in loads:
        assert "weights_only=True" in ast.unparse(load)


@pytest.mark.parametrize("name", ["eval", "exec", "system", "popen", "unsafe_load", "loads_pickle"])
def test_nothing_is_evaluated(name: str) -> None:
    found = [node for node in calls(name) if ast.unparse(node.func) in (name, f"os.{name}", f"yaml.{name}")]
    assert not found


def test_no_shell_and_no_pickle() -> None:
    for file in SOURCES:
        text = file.read_text()
        assert "shell=True" not in text and "import pickle" not in text and "allow_pickle" not in text, file


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://user:s3cret@lab:5000/x", "http://***@lab:5000/x"),
        ("python a.py --tracking-uri=https://tok@lab/", "python a.py --tracking-uri=https://***@lab/"),
        ("postgresql://me:a:b@db/mlflow", "postgresql://***@db/mlflow"),
        ("postgresql+psycopg://db/mlflow?user=me&password=s3", "postgresql+psycopg://db/mlflow?user=me&password=***"),
        ("https://lab/?access_token=abc&x=1", "https://lab/?access_token=***&x=1"),
        ("two http://a:b@c and http://d:e@f", "two http://***@c and http://***@f"),
        ("sqlite:////data/mlflow.db", "sqlite:////data/mlflow.db"),
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
    monkeypatch.setattr(cluster.ray, "is_initialized", lambda: False)
    with pytest.raises(ValueError, match=rf"RAY_AUTH_MODE={mode}: .* without a token .* Unset RAY_AUTH_MODE"):
        cluster.connect(None)
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    cluster.check_token()

"""A storage, and a plan in an MLflow of one sqlite file."""

from pathlib import Path

import pytest

from orchestrator.storage.store import Store
from tests.support.tracked import View


@pytest.fixture(scope="session")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One file for all: making its tables takes seconds. Each test has a plan, so an experiment, of its own."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.chdir(tmp_path)
    return Store(tmp_path / "storage")


@pytest.fixture
def view(uri: str, store: Store, request: pytest.FixtureRequest) -> View:
    return View(uri, request.node.name, store)

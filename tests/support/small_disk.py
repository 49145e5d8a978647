"""A file system of a few megabytes, in a mount namespace of its own, for disks that fill up."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

needs_mount = pytest.mark.skipif(
    not shutil.which("unshare") or subprocess.run(["unshare", "-rm", "true"], check=False).returncode != 0,
    reason="needs a mount namespace for a small file system",
)


def run_on(folder: Path, size: str, words: Sequence[str], seconds: float = 300) -> subprocess.CompletedProcess[str]:
    """A command for which `folder` is an empty file system of this size ("1m")."""
    mount = f'mount -t tmpfs -o size={size} none {folder} && exec "$@"'
    return subprocess.run(
        ["unshare", "-rm", "sh", "-c", mount, "sh", *words], cwd=ROOT, env=dict(os.environ),
        capture_output=True, text=True, timeout=seconds,
    )  # fmt: skip

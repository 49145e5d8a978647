"""Run a script of the project in a process of its own, as a user does."""

import os
import subprocess
import sys
from collections.abc import Sequence

from orchestrator.cluster.connect import ROOT


def run(words: Sequence[str]) -> str:
    """What it prints. Raises RuntimeError with the end of it where it fails."""
    done = subprocess.run([sys.executable, *words], cwd=ROOT, env=environment(), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}")
    return done.stdout


def environment() -> dict[str, str]:
    """In which a script finds the project's code, and its compiled modules are kept."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return env | {"PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [env.get("PYTHONPATH")])])}

"""A plan under random kills to its end: workers, trials (each Train's controller too) and the driver. Minutes long.

Four modalities and their fusion, three self-supervised stages, a teacher and its student (tests/support/soak_plan.py),
three seeds on 48 synthetic clips at demo scale, against a start that nothing disturbs; `make soak`. SOAK_KILLS (40),
SOAK_SEED (0), SOAK_PAUSE (9) and SOAK_FLAGS (none) change it.
"""

import json
import os
import pickle
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from datasets.synthetic import utd_mhad as synthetic
from tests.support import i3d_reference as reference
from tests.support import soak_plan
from tests.support.mlflow_view import seen
from tests.support.processes import ROOT, done, of_kind, results, started

pytestmark = pytest.mark.soak
KILLS, SEED = int(os.environ.get("SOAK_KILLS", "40")), int(os.environ.get("SOAK_SEED", "0"))
# The driver seldom: all that it started dies with it.
KINDS = {"worker": 4, "trial": 4, "driver": 1}
PAUSE = float(os.environ.get("SOAK_PAUSE", "9"))  # seconds at most from kill to kill
FLAGS = os.environ.get("SOAK_FLAGS", "").split()
READ = ("depth", "imu", "skeleton", "video")
# The methods of others train longer at demo scale than the other stages.
SHORT = [word for stage in ("simclr_imu", "simclr_skeleton", "cmkm", "cmkm_classifier", "vskd_teacher", "vskd_dask")
         for word in (f"{stage}.times_epochs", "0.5")]  # fmt: skip


@pytest.fixture
def command(tmp_path: Path) -> Callable[[Path], list[str]]:
    """The words of a start with this storage. What I3D starts from is drawn."""
    recordings = synthetic.write(tmp_path / "corpus", subjects=4, trials=2, actions=6, modalities=READ)
    weights = tmp_path / "weights.ckpt"
    weights.write_bytes(
        pickle.dumps(reference.weights(json.loads((ROOT / "tests/models/i3d.json").read_text())["kernels"]))
    )
    words = [sys.executable, "-m", "tests.support.soak_plan", "--corpus", "utd-mhad", "--recordings", str(recordings)]
    words += ["--modalities", *READ, "--recipe", "demo", "--seeds", "3", "--weights", f"i3d={weights}", *FLAGS]
    return lambda storage: [*words, "--storage", str(storage), "--set", *SHORT]


def test_a_plan_under_random_kills(
    command: Callable[[Path], list[str]], gave: Callable, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng, storage, quiet = random.Random(SEED), tmp_path / "storage", tmp_path / "quiet"
    began, killed, starts = time.monotonic(), Counter(), 0
    code = None
    while code != 0:
        starts += 1
        assert starts <= 3 * KILLS, "it gets nowhere"
        log = tmp_path / f"log-{starts}"
        with started(command(storage), log) as driver:
            while driver.poll() is None:
                if killed.total() < KILLS and (kind := hit(rng, driver.pid)):
                    killed[kind] += 1
                    when = f"{time.monotonic() - began:6.0f} s"
                    say(
                        capsys,
                        f"{when}  kill {killed.total():2}: {kind}, {len(done(storage))} runs done, start {starts}",
                    )
                pause = time.monotonic() + rng.uniform(0, PAUSE)
                while driver.poll() is None and time.monotonic() < pause:
                    time.sleep(0.1)
        code = driver.returncode
        assert code in (0, 1, -signal.SIGKILL), log.read_text()
    seconds = time.monotonic() - began
    calm = subprocess.run(command(quiet), cwd=ROOT, capture_output=True, text=True, timeout=1800)
    assert calm.returncode == 0, calm.stdout + calm.stderr
    assert gave(storage) == gave(quiet)
    seen(storage, soak_plan.NAME)
    lost = [attempt for run in results(storage, soak_plan.NAME)["runs"].values() for attempt in run["retried"]]
    later = sum(attempt["epoch"] > 0 for attempt in lost)
    hits = ", ".join(f"{count} {kind}s" for kind, count in sorted(killed.items()))
    say(capsys, f"soak: seed {SEED}, {killed.total()} kills ({hits}), {starts} starts, {seconds:.0f} s")
    say(capsys, f"soak: {len(done(storage))} runs done, {len(lost)} attempts lost, {later} of them after an epoch; all"
        " numbers equal an undisturbed start's")  # fmt: skip
    assert later or KILLS < 20, "every attempt was lost before its first epoch had ended"
    assert killed.total() == KILLS, f"it ended after {killed.total()} kills: more runs, or shorter pauses"


def hit(rng: random.Random, driver: int) -> str | None:
    """What was killed; nothing while no trial is there, for a start has to get somewhere."""
    there = {kind: of_kind(kind, driver) for kind in ("worker", "trial")}
    if not there["trial"]:
        return None
    victims = {kind: found for kind, found in ({"driver": [driver]} | there).items() if found}
    kind = rng.choices(list(victims), [KINDS[kind] for kind in victims])[0]
    os.kill(rng.choice(sorted(victims[kind])), signal.SIGKILL)
    return kind


def say(capsys: pytest.CaptureFixture[str], words: str) -> None:
    with capsys.disabled():
        print(words, flush=True)

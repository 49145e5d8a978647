"""A grid under random kills to its end: workers, trials (each Train's controller too) and the driver. Minutes long.

All 24 runs on 48 synthetic clips at demo scale, against a grid that nothing disturbs; `make soak`. SOAK_KILLS (20),
SOAK_SEED (0), SOAK_PAUSE (15) and SOAK_FLAGS (none) change it.
"""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.mlflow_view import seen
from tests.support.processes import done, of_kind, results, started

pytestmark = pytest.mark.soak
KILLS, SEED = int(os.environ.get("SOAK_KILLS", "20")), int(os.environ.get("SOAK_SEED", "0"))
# The driver seldom: all that it started dies with it.
KINDS = {"worker": 4, "trial": 4, "driver": 1}
PAUSE = float(os.environ.get("SOAK_PAUSE", "15"))  # seconds at most from kill to kill
FLAGS = os.environ.get("SOAK_FLAGS", "").split()


def test_a_grid_under_random_kills(
    grid_command: Callable, start: Callable, gave: Callable, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng, storage, quiet = random.Random(SEED), tmp_path / "storage", tmp_path / "quiet"
    began, killed, starts = time.monotonic(), Counter(), 0
    code = None
    while code != 0:
        starts += 1
        assert starts <= 3 * KILLS, "it gets nowhere"
        log = tmp_path / f"log-{starts}"
        with started(grid_command(storage, *FLAGS), log) as driver:
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
    calm = start(quiet, *FLAGS)
    assert calm.returncode == 0, calm.stdout + calm.stderr
    assert gave(storage) == gave(quiet)
    seen(storage)
    lost = sum(len(run["retried"]) for run in results(storage)["runs"].values())
    hits = ", ".join(f"{count} {kind}s" for kind, count in sorted(killed.items()))
    say(capsys, f"soak: seed {SEED}, {killed.total()} kills ({hits}), {starts} starts, {seconds:.0f} s")
    say(capsys, f"soak: {len(done(storage))} runs done, {lost} attempts lost; all numbers equal an undisturbed grid's")
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

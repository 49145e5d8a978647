"""The view of a plan at work: lines for a log file, a picture that stays in its place for a terminal."""

import io
import re
import time
from pathlib import Path

import pytest
from rich.console import Console

from orchestrator.driver.progress import Progress
from orchestrator.plan.plan import Plan
from orchestrator.plan.schedule import Need, Schedule
from orchestrator.plan.spec import Optimization
from orchestrator.storage.store import Store
from tests.support.runs import specs

SPECS = [specs.run("imu", seed=seed, how=Optimization(1e-3, 0, 8, epochs=8)) for seed in (0, 1)]
FIRST, SECOND = (spec.key for spec in SPECS)


def watch(console: Console, storage: Path) -> None:
    """One run in training for a while, then done, then the other."""
    store, plan = Store(storage), Plan("plan", (), {spec.key: spec for spec in SPECS})
    schedule = Schedule(plan, {spec.key: Need(1, 0) for spec in SPECS}, 1, 0)
    store.run(FIRST).begin(SPECS[0])
    for epoch in (1, 2, 3):
        store.run(FIRST).append_history({"epoch": epoch, "loss": 1.25, "train_top1": 0.5, "seconds": 0.1})
    with Progress(console, plan, schedule, store, 12):
        assert schedule.next() == FIRST
        time.sleep(1.6)
        schedule.ended(FIRST, done=True)
        assert schedule.next() == SECOND
        time.sleep(1.6)


@pytest.mark.parametrize("kind", ["a file", "a dumb terminal"])
def test_a_log_has_lines_without_control_codes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str):
    dumb = kind == "a dumb terminal"
    monkeypatch.setenv("TERM", "dumb" if dumb else "xterm-256color")
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    file = io.StringIO()
    watch(Console(file=file, soft_wrap=True, force_terminal=dumb or None), tmp_path)
    text = file.getvalue()
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)
    first, *_, last = lines = text.splitlines()
    assert all(re.match(r"\[\d\d:\d\d:\d\d\] \d of 2 runs done, ", line) for line in lines)
    assert "0 of 2 runs done" in first and "imu seed=0 epoch 3/8 loss 1.250 train top-1 0.500" in first
    assert "1 of 2 runs done" in last and "imu seed=1 starting" in last
    assert 2 <= len(lines) <= 4, "a line when something starts or ends, not one each half second"


def test_a_narrow_terminal_has_a_view_that_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    file = io.StringIO()
    watch(Console(file=file, force_terminal=True, width=60, height=12), tmp_path)
    text = file.getvalue()
    assert "imu seed=0" in text and "3/8" in text and "1.250" in text
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    assert max(len(line) for part in shown.split("\r") for line in part.splitlines()) <= 60
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1, "the cursor is there again"
    assert "\x1b[2K" in text[text.rindex("imu seed=1") :], "what was drawn last is wiped"


def test_epochs_of_an_earlier_start_are_no_work_of_this_one(tmp_path: Path):
    store, plan = Store(tmp_path), Plan("plan", (), {spec.key: spec for spec in SPECS})
    schedule = Schedule(plan, {spec.key: Need(1, 0) for spec in SPECS}, 1, 0)
    store.run(FIRST).begin(SPECS[0])
    for epoch in range(1, 7):
        store.run(FIRST).append_history({"epoch": epoch, "loss": 1.25, "train_top1": 0.5, "seconds": 0.1})
    progress = Progress(Console(file=io.StringIO()), plan, schedule, store, clips=1000)
    assert schedule.next() == FIRST
    assert progress.seconds_left() is None
    store.run(FIRST).append_history({"epoch": 7, "loss": 1.25, "train_top1": 0.5, "seconds": 0.1})
    progress.started -= 10
    # A run's processes count as four epochs of 1,000 clips: 5 are done, 1 of this run is left and 12 of the other.
    assert progress.seconds_left() == pytest.approx(26, rel=0.05)

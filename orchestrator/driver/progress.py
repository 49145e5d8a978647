"""What the terminal shows while a plan runs: a live view, or plain lines where it isn't a terminal."""

import contextlib
import json
import os
import socket
import threading
import time

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from datasets import modalities
from datasets.files.atomic import write_whole
from orchestrator.plan.plan import Plan
from orchestrator.plan.schedule import Schedule
from orchestrator.plan.spec import RunSpec
from orchestrator.storage.run_folder import RunFolder
from orchestrator.storage.store import Store

# Work that every run has besides its epochs, its processes: as much as so many clips of a signal's encoder take.
FIXED = 4000.0
PLAIN_SECONDS = 30.0
SIGN_SECONDS = 5.0


class Progress:
    """A thread that reads the run folders of what is in flight."""

    def __init__(self, console: Console, plan: Plan, schedule: Schedule, store: Store, clips: int):
        self.console, self.plan, self.schedule, self.store = console, plan, schedule, store
        self.clips = clips  # that a run trains on, at a ratio of 1
        self.cost = {key: relative_cost(spec) for key, spec in plan.runs.items()}
        self.started, self.before = time.monotonic(), set(schedule.done)
        self.begun: dict[str, int] = {}  # epochs that a run had of an earlier start when it was first seen in training
        self.signed = -SIGN_SECONDS
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._show, daemon=True)

    def __enter__(self) -> "Progress":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join(timeout=5)
        self.sign(ended=True)

    def sign(self, ended: bool = False) -> None:
        """Every few seconds, for `status` in another terminal: progress.json beside the results."""
        s, now = self.schedule, time.monotonic()
        if not ended and now - self.signed < SIGN_SECONDS:
            return
        self.signed = now
        record = {
            "time": time.time(),
            "ended": ended,
            "host": socket.gethostname(),
            "process": os.getpid(),
            "running": [] if ended else sorted(s.running),
            "skipped": s.skipped,
            "seconds_left": None if ended else self.seconds_left(),
        }
        with contextlib.suppress(OSError):  # the next one may succeed; a grid doesn't end for it
            write_whole(self.store.report(self.plan.name) / "progress.json", json.dumps(record))

    def _show(self) -> None:
        if not self.console.is_terminal or self.console.is_dumb_terminal:
            return self._show_plain()
        with Live(console=self.console, refresh_per_second=2, transient=True) as live:
            while not self.stop.wait(0.5):
                live.update(self._view())
                self.sign()

    def _show_plain(self) -> None:
        """A line when something starts or ends, and every half minute."""
        last, shown = (-1, frozenset()), 0.0
        while not self.stop.wait(0.5):
            self.sign()
            now = (len(self.schedule.done), frozenset(self.schedule.running))
            if now != last or time.monotonic() - shown > PLAIN_SECONDS:
                last, shown = now, time.monotonic()
                self.console.print(" | ".join([self.summary(), *(self.line(key) for key in now[1])]), highlight=False)

    def _view(self) -> Group:
        table = Table("running", "epoch", "loss", "train top-1", box=None, pad_edge=False)
        for key in list(self.schedule.running):
            rows = self.store.run(key).history()
            epochs = self.plan.runs[key].optimization.epochs
            last = rows[-1] if rows else {"epoch": 0}
            numbers = [f"{last[n]:.3f}" if n in last else "" for n in ("loss", "train_top1")]
            table.add_row(self.plan.runs[key].name, f"{last['epoch']}/{epochs}", *numbers)
        return Group(Text(self.summary()), table)

    def line(self, key: str) -> str:
        return f"{self.plan.runs[key].name} {epoch_of(self.store.run(key), self.plan.runs[key])}"

    def summary(self) -> str:
        s = self.schedule
        words = [f"{len(s.done)} of {len(self.plan.runs)} runs done"]
        words += [f"{len(s.failed)} failed"] * bool(s.failed) + [f"{len(s.skipped)} skipped"] * bool(s.skipped)
        left = self.seconds_left()
        words.append(f"about {duration(left)} left" if left is not None else "time left not known yet")
        return f"[{time.strftime('%H:%M:%S')}] " + ", ".join(words)

    def seconds_left(self) -> float | None:
        """From the work done in this start, by the relative cost of each run's epochs."""
        done = sum(self._work(key) for key in self.schedule.done - self.before)
        for key in list(self.schedule.running):
            epochs = self._epochs(key)
            self.begun[key] = min(self.begun.get(key, epochs), epochs)  # a resume cuts off what its checkpoint lacks
            done += self._work(key, epochs)
        total = sum(self._work(k) for k in self.plan.runs if k not in self.before | self.schedule.failed)
        total -= sum(self._work(k) for k in self.schedule.skipped)
        elapsed = time.monotonic() - self.started
        return None if done <= 0 else (total - done) * elapsed / done

    def _epochs(self, key: str) -> int:
        rows = self.store.run(key).history()
        return rows[-1]["epoch"] if rows else 0

    def _work(self, key: str, epochs: int | None = None) -> float:
        """Of this start: up to an epoch, or all."""
        spec = self.plan.runs[key]
        epochs = spec.optimization.epochs if epochs is None else epochs
        epochs = max(0, epochs - self.begun.get(key, 0))
        return (FIXED if epochs else 0.0) + self.cost[key] * self.clips * spec.data.ratio * epochs


def epoch_of(folder: RunFolder, spec: RunSpec) -> str:
    """Where a run in training stands: "epoch 4/8 loss 1.931 train top-1 0.318"."""
    rows = folder.history()
    if not rows:
        return "starting"
    last, epochs = rows[-1], spec.optimization.epochs
    right = f" train top-1 {last['train_top1']:.3f}" if "train_top1" in last else ""
    return f"epoch {last['epoch']}/{epochs} loss {last['loss']:.3f}{right}"


def relative_cost(spec: RunSpec) -> float:
    """Of one clip in one epoch, until a start has measured its own: a signal's encoder costs 1, and one that takes its
    input as images 27 where they are 16 of 64 x 64 pixels. What parents have trained costs a fifth."""
    each = (modalities.of(name).bytes(given) for name, given in spec.data.inputs.items())
    whole = sum(max(1.0, 27 * count / (16 * 64 * 64 * 3)) for count in each)
    return whole / 5 if spec.parents else whole


def duration(seconds: float) -> str:
    seconds = int(seconds)
    if seconds < 90:
        return f"{seconds} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"

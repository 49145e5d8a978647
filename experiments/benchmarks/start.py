"""The smallest start there is, from Enter to the prompt: where its seconds go, and how many of a core.

One run of one epoch, on twelve inertial clips, in a fresh storage and a Ray of its own, by a command as users give it.
"""

import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import ray  # noqa: F401  it brings psutil along
from psutil import NoSuchProcess, Process

from datasets.signals.inertial import CHANNELS
from experiments.benchmarks.commands import environment
from experiments.benchmarks.row import Place, Row
from orchestrator.cluster.connect import ROOT
from orchestrator.driver.terminal import console
from orchestrator.storage.store import Store

STARTS = 3
# By the first words of a line that the command prints, the step that has ended there.
SAID = {"modality_comparison: ": "imports", "corpus: ": "corpus read", " tracking": "Ray up", "shards: ": "shards"}


def measure(place: Place) -> list[Row]:
    """Of the quickest of STARTS starts; the profile goes to the terminal."""
    recordings = place.folder / "start-recordings"
    draw(recordings)
    found = [profile(recordings, place.folder / f"start-{number}") for number in range(STARTS)]
    steps, cpu = min(found, key=lambda each: each[0]["prompt"])
    console.print("start: " + ", ".join(f"{name} {at:.1f}" for name, at in steps.items()) + " s", highlight=False)
    return [
        Row("start", "from Enter to the prompt", steps["prompt"], None, "s", None, 30.0, False),
        Row("start", "all of its processes", cpu, None, "s of a core", None, 45.0, False),
    ]


def draw(folder: Path) -> None:
    """Twelve clips of two classes as `class-folders` has them; six groups, of which two are tested."""
    generator = np.random.default_rng(0)
    for label, name in enumerate(("walking", "waving")):
        (folder / name).mkdir(parents=True)
        for group in range(6, 12):
            signal = generator.normal(label, 1.0, (100, len(CHANNELS)))
            file = folder / name / f"v_{name}_g{group:02d}_c01.csv"
            np.savetxt(file, signal, fmt="%.4f", delimiter=",", header=",".join(CHANNELS), comments="")


def profile(recordings: Path, storage: Path) -> tuple[dict[str, float], float]:
    """Seconds from Enter at which each step ended, in their order; and those of a core that all processes took."""
    words = ["--corpus", "class-folders", "--recordings", str(recordings), "--modalities", "imu"]
    words += ["--set", "imu.times_epochs", "0.025", "--storage", str(storage)]
    began = time.time()
    command = [sys.executable, "-u", "experiments/modality_comparison.py", *words]
    with subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        used: dict[tuple[int, float], float] = {}
        over = threading.Event()
        watch = threading.Thread(target=_watch, args=(process.pid, used, over))
        watch.start()
        steps = _said(process, began)
        steps["prompt"] = time.time() - began
        over.set()
        watch.join()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}.")
    return dict(sorted((steps | _written(storage, began)).items(), key=lambda step: step[1])), sum(used.values())


def _said(process: subprocess.Popen[str], began: float) -> dict[str, float]:
    assert process.stdout
    steps: dict[str, float] = {}
    for line in process.stdout:
        for words, step in SAID.items():
            if line.startswith(words):
                steps.setdefault(step, time.time() - began)
    process.wait()
    return steps


def _written(storage: Path, began: float) -> dict[str, float]:
    """What the storage tells of it."""
    store = Store(storage)
    [run] = store.runs()
    [epoch] = run.history()
    set_up = epoch["ended"] - epoch["seconds"]
    reports = store.report("modality_comparison")
    at = {
        "run begun": (run.path / "spec.json").stat().st_mtime,
        "worker there": set_up - run.record("times")["set-up"],
        "worker set up": set_up,
        "trained": epoch["ended"],
        "tested": (run.path / "predictions.parquet").stat().st_mtime,
        "run ended": run.record("done")["ended"],
        "report": (reports / "report.html").stat().st_mtime,
        "MLflow": (storage / "mlflow.db").stat().st_mtime,
    }
    return {step: when - began for step, when in at.items()}


def _watch(number: int, used: dict[tuple[int, float], float], over: threading.Event) -> None:
    """Keeps what each process of a command has taken of a core, for Ray's aren't waited for by the one that began."""
    first = Process(number)
    while not over.wait(0.1):
        try:
            for each in [first, *first.children(recursive=True)]:
                times = each.cpu_times()
                used[each.pid, each.create_time()] = times.user + times.system
        except NoSuchProcess:
            continue  # its seconds up to now are kept

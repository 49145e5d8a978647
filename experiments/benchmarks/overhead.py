"""Seconds that a run costs beyond its training, in the middle of a grid of small runs."""

from statistics import fmean

from experiments.benchmarks.commands import run
from experiments.benchmarks.row import Place, Row
from orchestrator.storage.store import Store

SEEDS = 12
# What has begun before the first of these ended, or hasn't ended when the last of them does, is no middle.
EDGE = 2


def measure(place: Place) -> list[Row]:
    """From the ends of runs of 10 epochs, two at a time: the time from end to end, less training and testing."""
    storage = place.folder / "overhead"
    words = ("--only", "imu", "--seeds", str(SEEDS), "--set", "imu.times_epochs", "0.25", "--concurrency", "2")
    run(place.command("modality_comparison", *words, "--storage", str(storage), scale="demo"))
    runs = sorted(Store(storage).runs(), key=lambda folder: folder.record("done")["ended"])
    middle = runs[EDGE:-EDGE]
    began = runs[EDGE - 1].record("done")["ended"]
    each = (middle[-1].record("done")["ended"] - began) / len(middle)
    training = fmean(sum(s for name, s in f.record("times").items() if name != "set-up") for f in middle)
    return [
        Row("overhead", "what the grid takes longer", each - training / 2, None, "s a run", None, 4.0, False),
        Row("overhead", "of one of two places", 2 * each - training, None, "s a run", None, 8.0, False),
    ]

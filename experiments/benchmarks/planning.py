"""A plan of 10,000 runs, and the splits of a manifest of 1,000,000 clips; nothing is read or trained."""

import multiprocessing
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from datasets import splits
from datasets.manifest import Manifest
from experiments import full_grid
from experiments.benchmarks.row import Place, Row
from orchestrator.driver.prepare import make_plan
from orchestrator.plan.options import Options
from orchestrator.plan.schedule import Need, Schedule
from orchestrator.plan.study import Study

RUNS, CLIPS = 10_000, 1_000_000


def measure(place: Place) -> list[Row]:
    seconds = plan_of(RUNS)
    with multiprocessing.get_context("spawn").Pool(1) as apart:
        splitting, gigabytes = apart.apply(split_all, (CLIPS,))
    return [
        Row("planning", "10,000 runs", seconds, None, "s of a core", None, 2.0, False),
        Row("planning", "splits of 1,000,000 clips", splitting, None, "s of a core", None, 5.0, False),
        Row("planning", "the splits' process, its peak", gigabytes, None, "GB", None, 1.0, False),
    ]


def plan_of(runs: int) -> float:
    """Seconds until the first of so many runs of the full grid could start."""
    study = Study(made_up(3600), "laptop", "paper", "cross-subject")
    began = time.process_time()
    a_seed = len(make_plan("full_grid", full_grid.cells, replace(study, runs={}), Options()).runs)
    plan = make_plan("full_grid", full_grid.cells, study, Options(seeds=-(-runs // a_seed)))
    assert len(plan.runs) >= runs
    schedule = Schedule(plan, dict.fromkeys(plan.runs, Need(1, 0)), cpus=2, gpus=0)
    assert schedule.next()
    return time.process_time() - began


def split_all(clips: int) -> tuple[float, float]:
    """Seconds that every protocol's split, a quarter of it and the words beside a score take; and the process's peak.

    The peak is in gigabytes, with the manifest and what Python and pyarrow take.
    """
    manifest = made_up(clips)
    labels, instances = splits.labels(manifest), splits.instances(manifest)
    began = time.process_time()
    for protocol in splits.protocols(manifest):
        train, _ = splits.split(manifest, protocol)
        splits.subset(train, labels[train], 0.25, 0, instances[train])
        splits.describe(manifest, protocol)
    seconds = time.process_time() - began
    # Not getrusage: what that says of a process's peak begins with its parent's.
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return seconds, int(status["VmHWM"].split()[0]) / 1e6


def made_up(clips: int) -> Manifest:
    """In MMAct's layout: 20 subjects, 4 scenes, 5 sessions, 4 cameras, 35 classes."""
    row = np.arange(clips)
    instance = row // 4
    ids = pa.array(np.char.add("clip ", row.astype(str)))
    integers = {
        "subject": instance % 20 + 1,
        "trial": instance // 700 % 5 + 1,
        "label": instance // 20 % 35,
        "video_count": np.full(clips, 60),
        "imu_count": np.full(clips, 200),
        "scene": instance // 3500 % 4 + 1,
        "camera": row % 4 + 1,
        "instance": instance,
    }
    columns = dict.fromkeys(("clip", "video", "video_content", "imu", "imu_content"), ids)
    columns |= {name: pa.array(values.astype(np.int32)) for name, values in integers.items()}
    classes = tuple(f"class {k}" for k in range(35))
    return Manifest("made up", {"video": "drawn figure"}, "mmact", classes, pa.table(columns), Path())

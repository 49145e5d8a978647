"""Store: a folder a run, named by its key. What says that a run is whole is written last."""

import json
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from orchestrator.spec import RunSpec


def write_whole(file: Path, text: str) -> None:
    """Under another name first: a reader never sees half a file."""
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    part.write_text(text)
    part.replace(file)


@dataclass(frozen=True)
class RunFolder:
    """spec.json, history.jsonl, metrics.json, times.json, predictions.parquet, checkpoint.pt, model.pt; done.json."""

    path: Path

    @property
    def key(self) -> str:
        return self.path.name

    @property
    def status(self) -> str:
        """done | failed | pending"""
        if (self.path / "done.json").exists():
            return "done"
        return "failed" if (self.path / "failed.json").exists() else "pending"

    @property
    def spec(self) -> RunSpec:
        return RunSpec.from_json(json.loads((self.path / "spec.json").read_text()))

    def begin(self, spec: RunSpec, about: dict[str, str] | None = None) -> None:
        """`about` says what the spec can't: plan, corpus, video, scale, recipe and protocol by name."""
        self.path.mkdir(parents=True, exist_ok=True)
        (self.path / "failed.json").unlink(missing_ok=True)
        write_whole(self.path / "spec.json", json.dumps(spec.to_json() | {"about": about or {}}, indent=1))

    def finish(self, seconds: float) -> None:
        (self.path / "checkpoint.pt").unlink(missing_ok=True)
        write_whole(self.path / "done.json", json.dumps({"seconds": seconds, "ended": time.time()}))

    def fail(self, reason: str, trace: str) -> None:
        write_whole(self.path / "failed.json", json.dumps({"reason": reason, "trace": trace, "ended": time.time()}))

    def record(self, name: str) -> dict[str, Any]:
        """spec.json, metrics.json, times.json, done.json or failed.json; empty where there is none."""
        file = self.path / f"{name}.json"
        return json.loads(file.read_text()) if file.exists() else {}

    def write_metrics(self, metrics: dict[str, Any]) -> None:
        write_whole(self.path / "metrics.json", json.dumps(metrics, indent=1))

    def write_times(self, times: dict[str, float]) -> None:
        """Seconds of the last start's first worker, as in orchestrator/clock.py."""
        write_whole(self.path / "times.json", json.dumps(times))

    def write_predictions(self, table: pa.Table) -> None:
        part = self.path / f"predictions.{os.getpid()}.part"
        pq.write_table(table, part)
        part.replace(self.path / "predictions.parquet")

    def history(self) -> list[dict[str, Any]]:
        """One row an epoch. A last line cut off by a crash is no row."""
        file = self.path / "history.jsonl"
        if not file.exists():
            return []
        return [json.loads(line) for line in file.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def append_history(self, row: dict[str, Any]) -> None:
        with (self.path / "history.jsonl").open("a") as f:
            f.write(json.dumps(row) + "\n")

    def cut_history(self, epochs: int) -> None:
        """Forget what came after a checkpoint; those epochs are trained again."""
        rows = [row for row in self.history() if row["epoch"] <= epochs]
        write_whole(self.path / "history.jsonl", "".join(json.dumps(row) + "\n" for row in rows))

    def save(self, name: str, state: dict[str, Any]) -> None:
        part = self.path / f"{name}.{os.getpid()}.part"
        torch.save(state, part)
        part.replace(self.path / f"{name}.pt")

    def load(self, name: str) -> dict[str, Any] | None:
        """checkpoint.pt or model.pt, None where there is none; raises ValueError naming a file that can't be read."""
        file = self.path / f"{name}.pt"
        if not file.exists():
            return None
        try:
            return torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:  # torch raises half a dozen kinds on a broken file
            raise ValueError(
                f"{file}: can't be read ({type(error).__name__}); remove its folder to train it again."
            ) from None


@dataclass(frozen=True)
class Store:
    """The storage folder, absolute: Ray's workers change their directory."""

    root: Path

    def run(self, key: str) -> RunFolder:
        return RunFolder(self.root / "runs" / key)

    def runs(self) -> list[RunFolder]:
        """Every run that was ever begun here."""
        return [RunFolder(file.parent) for file in sorted((self.root / "runs").glob("*/spec.json"))]

    def report(self, plan: str) -> Path:
        """The folder of a plan's results.json, progress.json and report.html."""
        return self.root / "reports" / plan

    def done(self, keys: Iterable[str]) -> set[str]:
        return {key for key in keys if self.run(key).status == "done"}

    def manifest(self, digest: str) -> Path:
        return self.root / "manifests" / f"{digest}.parquet"

    def weights(self, name: str) -> Path:
        """Where the pretrained weights that a spec names lie, for every node to read."""
        file = "s3d-d76dad2f" if name == "kinetics400" else name.removeprefix("sha256:")
        return self.root / "weights" / f"{file}.pth"

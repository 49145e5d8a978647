"""RunFolder: a run's folder, named by its key. What says that the run is whole is written last."""

import json
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from datasets.files.atomic import read_json, remove_parts, write_whole, writing
from orchestrator.plan.spec import RunSpec


class TakenOver(RuntimeError):
    """Another start trains this run now; what this process still wrote would only disturb it."""


@dataclass(frozen=True)
class RunFolder:
    """spec.json, history.jsonl, metrics.json, times.json, device.json, network.json, predictions.parquet,
    checkpoint.pt, model.pt, done.json last.

    `start` is the number of the driver's start (`orchestrator/storage/lock.py`) that writes here, and `attempt`
    which of its attempts at this run; 0 where nobody counts. attempts.jsonl has those that came to nothing, and why.
    """

    path: Path
    start: int = 0
    attempt: int = 0

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
        file = self.path / "spec.json"
        try:
            return RunSpec.from_json(read_json(file))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{file}: holds no run's spec ({type(error).__name__}: {str(error)[:300]}).") from None

    def begin(self, spec: RunSpec, about: dict[str, str] | None = None) -> "RunFolder":
        """`about` says what the spec can't: plan, corpus, what is seen, scale, recipe and protocol.

        Returns the folder as this attempt sees it. From here on no earlier start and no earlier attempt writes here.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        self.owned()
        last = self._begun()
        if last and self.status == "failed":
            with suppress(ValueError):
                self.note(self.record("failed").get("reason", "it failed"))
        elif last and self.status == "pending":
            self.note("its driver ended (Ctrl-C, killed, or its machine was lost)")
        attempt = last.get("attempt", 0) + 1 if last.get("start", 0) == self.start else 1
        (self.path / "failed.json").unlink(missing_ok=True)
        record = spec.to_json() | {"about": about or {}, "attempt": attempt}
        record |= {"start": self.start} if self.start else {}
        write_whole(self.path / "spec.json", json.dumps(record, indent=1))
        remove_parts(self.path)
        if self.status == "pending" and not (self.path / "checkpoint.pt").exists():
            # It starts from its first epoch: the epochs of an earlier attempt would be shown as this one's. Here no
            # earlier attempt can write a checkpoint any more.
            (self.path / "history.jsonl").unlink(missing_ok=True)
        return replace(self, attempt=attempt)

    def begin_again(self) -> "RunFolder":
        """The next attempt of the same start."""
        return self.begin(self.spec, self.record("spec").get("about"))

    def begun(self) -> "RunFolder":
        """The folder as the attempt that was begun last sees it."""
        return replace(self, attempt=self._begun().get("attempt", 0))

    def _begun(self) -> dict[str, Any]:
        """spec.json; empty where it is damaged or nothing was begun."""
        try:
            return self.record("spec")
        except ValueError:
            return {}

    @property
    def tries(self) -> int:
        """The number of this attempt, without those of the same start that were `free`."""
        return self.attempt - sum(row.get("free", False) for row in self.attempts() if row["start"] == self.start)

    def note(self, reason: str, free: bool = False) -> None:
        """Why the attempt that was begun last came to nothing; of several reasons the first is kept.

        An attempt that was `free` doesn't count among those that a start makes at most.
        """
        last, rows = self._begun(), self.attempts()
        number = {"start": last.get("start", 0), "attempt": last.get("attempt", 1)}
        if rows and rows[-1].items() >= number.items():
            return
        row = number | {"epoch": len(self.history()), "reason": reason, "ended": time.time()}
        row |= {"free": True} if free else {}
        write_whole(self.path / "attempts.jsonl", "".join(json.dumps(r) + "\n" for r in [*rows, row]))

    def attempts(self) -> list[dict[str, Any]]:
        """Those that came to nothing: start, attempt, epoch, reason, ended, and `free` where one doesn't count."""
        return _rows(self.path / "attempts.jsonl", "reason")

    def owned(self) -> None:
        """Raises TakenOver where a later start or attempt has begun this run: a worker may outlive its driver."""
        if not self.start:
            return
        holder = self._begun()  # empty where it is damaged; `begin` writes it anew
        if holder.get("start", 0) > self.start:
            raise TakenOver(
                f"{self.path}: start {holder['start']} trains it now; nothing that start {self.start} left is kept."
            )
        if holder.get("start") == self.start and self.attempt and holder.get("attempt", 0) > self.attempt:
            raise TakenOver(f"{self.path}: attempt {holder['attempt']} trains it now, this is attempt {self.attempt}.")

    @contextmanager
    def _writing(self, name: str) -> Iterator[Path]:
        with writing(self.path / name) as part:
            yield part
            self.owned()

    def _write_json(self, name: str, content: dict[str, Any]) -> None:
        with self._writing(name) as part:
            part.write_text(json.dumps(content, indent=1))

    def finish(self, seconds: float) -> None:
        self._write_json("done.json", {"seconds": seconds, "ended": time.time()})
        (self.path / "checkpoint.pt").unlink(missing_ok=True)

    def fail(self, reason: str, trace: str) -> None:
        self._write_json("failed.json", {"reason": reason, "trace": trace, "ended": time.time()})

    def record(self, name: str) -> dict[str, Any]:
        """A JSON file of the folder: spec, metrics, times, device, network, done, failed; empty where there is none.

        Raises ValueError where it is damaged.
        """
        file = self.path / f"{name}.json"
        return read_json(file) if file.exists() else {}

    def write_metrics(self, metrics: dict[str, Any]) -> None:
        self._write_json("metrics.json", metrics)

    def write_times(self, times: dict[str, float]) -> None:
        """Seconds of the last start's first worker, as in orchestrator/storage/timings.py."""
        self._write_json("times.json", times)

    def write_device(self, device: dict[str, str]) -> None:
        """What the last start's first worker trained on, as in orchestrator/worker/cards.py."""
        self._write_json("device.json", device)

    def write_network(self, parameters: int) -> None:
        self._write_json("network.json", {"parameters": parameters})

    def write_predictions(self, table: pa.Table) -> None:
        with self._writing("predictions.parquet") as part:
            pq.write_table(table, part, write_page_checksum=True)

    def predictions(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Raises ValueError naming a file that can't be read."""
        file = self.path / "predictions.parquet"
        try:
            return pq.read_table(file, columns=columns, page_checksum_verification=True)
        except (OSError, pa.ArrowException) as error:
            raise ValueError(f"{file}: can't be read ({type(error).__name__}: {error}).") from None

    def right(self) -> dict[tuple[int | str, str], bool] | None:
        """Whether each test clip was named right, by the performance it shows and its name; None without predictions.

        Where a performance has one view, or a run is from before they were kept, the clip's name stands for it.
        """
        if not (self.path / "predictions.parquet").exists():
            return None
        table = self.predictions()
        clips = table["clip"].to_pylist()
        shown = table["instance"].to_pylist() if "instance" in table.column_names else clips
        right = (table["label"].to_numpy() == table["predicted"].to_numpy()).tolist()
        return dict(zip(zip(shown, clips, strict=True), right, strict=True))

    def history(self) -> list[dict[str, Any]]:
        """One row an epoch, up to the first that can't be read: a crash cuts the last line off."""
        rows: list[dict[str, Any]] = []
        for row in _rows(self.path / "history.jsonl", "epoch"):
            if row["epoch"] == len(rows) + 1:  # a worker that outlived its driver may have written one once more
                rows.append(row)
        return rows

    def append_history(self, row: dict[str, Any]) -> None:
        self.owned()
        file, line = self.path / "history.jsonl", json.dumps(row) + "\n"
        try:
            with file.open("a") as f:
                f.write(line)
        except OSError as error:
            raise OSError(error.errno, f"can't be written: {error.strerror}", str(file)) from None

    def cut_history(self, epochs: int) -> None:
        """Forget what came after a checkpoint; those epochs are trained again."""
        with self._writing("history.jsonl") as part:
            part.write_text("".join(json.dumps(row) + "\n" for row in self.history()[:epochs]))

    def save(self, name: str, state: dict[str, Any]) -> None:
        import torch  # here, not above: the report reads run folders without it

        # Into a file of Python's: torch's own writer doesn't say that a disk is full.
        with self._writing(f"{name}.pt") as part, part.open("wb") as file:
            torch.save(state, file)

    def load(self, name: str) -> dict[str, Any] | None:
        """checkpoint.pt or model.pt, None where there is none; raises ValueError naming a file that can't be read.

        Never unpickles code. Its checksums are compared: torch reads a changed weight without a word.
        """
        import torch

        file = self.path / f"{name}.pt"
        if not file.exists():
            return None
        try:
            with zipfile.ZipFile(file) as archive:
                if (member := archive.testzip()) is not None:
                    raise ValueError(f"the checksum of {member} is another")
            state = torch.load(file, map_location="cpu", weights_only=True)
            if not isinstance(state, dict):
                raise ValueError(f"it holds a {type(state).__name__}")
            return state
        except Exception as error:  # torch raises half a dozen kinds on a broken file
            raise ValueError(
                f"{file}: can't be read ({type(error).__name__}: {str(error)[:200]}); start the plan again and what"
                " needs it is trained again."
            ) from None


def _rows(file: Path, name: str) -> list[dict[str, Any]]:
    """Of a file of JSON lines, up to the first that can't be read or has nothing of this name."""
    rows: list[dict[str, Any]] = []
    content = b""
    with suppress(FileNotFoundError):  # none yet, or one that `begin` has just removed
        content = file.read_bytes()
    for line in content.splitlines(keepends=True):
        try:
            row = json.loads(line) if line.endswith(b"\n") else {}
        except (ValueError, RecursionError):
            break
        if not isinstance(row, dict) or name not in row:
            break
        rows.append(row)
    return rows

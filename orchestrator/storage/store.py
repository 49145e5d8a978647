"""Store: where a storage keeps its runs, reports, manifests and weights."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from models.encoders import ENCODERS
from models.spec import EncoderSpec
from orchestrator.storage.run_folder import RunFolder


@dataclass(frozen=True)
class Store:
    """The storage folder, absolute: Ray's workers change their directory."""

    root: Path
    start: int = 0  # of the driver that writes here

    def run(self, key: str, attempt: int = 0) -> RunFolder:
        return RunFolder(self.root / "runs" / key, self.start, attempt)

    def runs(self) -> list[RunFolder]:
        """Every run that was ever begun here."""
        return [RunFolder(file.parent) for file in sorted((self.root / "runs").glob("*/spec.json"))]

    def report(self, plan: str) -> Path:
        """The folder of a plan's results.json, progress.json and report.html."""
        return self.root / "reports" / plan

    def done(self, keys: Iterable[str]) -> set[str]:
        return {key for key in keys if self.run(key).status == "done"}

    def seconds(self, keys: Iterable[str]) -> dict[str, float]:
        """What each run that is done took."""
        took = {key: self.run(key).record("done").get("seconds") for key in keys}
        return {key: seconds for key, seconds in took.items() if seconds is not None}

    def manifest(self, digest: str) -> Path:
        return self.root / "manifests" / f"{digest}.parquet"

    def weights(self, encoder: EncoderSpec) -> Path:
        """Where the pretrained weights that an encoder starts from lie, for every node to read.

        A file of the user's own is taken to be in the form of the published ones: .ckpt are arrays, .pth tensors.
        """
        published, start = ENCODERS[encoder.name].published, encoder.weights
        ending = next((Path(file).suffix for file in published.values()), ".pth")
        return self.root / "weights" / published.get(start, start.removeprefix("sha256:") + ending)

"""The two words that pick what is trained: a scale (how much) and a recipe (how)."""

from dataclasses import dataclass

from orchestrator.plan.spec import Modality


@dataclass(frozen=True)
class Scale:
    """Sizes and epochs. Per modality: epochs, workers, threads and GPUs of a worker."""

    frames: int
    size: int
    weights: str
    epochs: dict[Modality, int]
    workers: dict[Modality, int]
    threads: dict[Modality, int]
    gpus: dict[Modality, float]

    def describe(self, times_epochs: dict[Modality, float]) -> str:
        """`times_epochs` is the recipe's."""
        start = {"none": "S3D from scratch", "kinetics400": "S3D from Kinetics-400"}.get(
            self.weights, "S3D from a file"
        )
        epochs = ", ".join(f"{m} {round(e * times_epochs[m])}" for m, e in self.epochs.items())
        return f"{self.frames} frames of {self.size}x{self.size}, {start}, epochs: {epochs}"


def _per(imu, video, fusion) -> dict:
    return {"imu": imu, "video": video, "fusion": fusion}


SCALES = {
    # To see the whole grid at work in minutes: one thread a run, so that two run side by side on two cores.
    "demo": Scale(8, 32, "none", _per(40, 3, 4), _per(1, 1, 1), _per(1, 1, 1), _per(0, 0, 0)),
    # Real recordings on two cores; epochs chosen for time, experiments/LOG.md says what a run takes.
    "laptop": Scale(16, 64, "none", _per(150, 8, 10), _per(1, 1, 1), _per(1, 2, 2), _per(0, 0, 0)),
    # The paper's, on A40s: 64 frames at UTD-MHAD's 15 Hz hold all but the longest clips. Only GPUs can show it.
    "paper": Scale(64, 224, "kinetics400", _per(300, 50, 50), _per(1, 1, 1), _per(1, 4, 4), _per(0.25, 1, 1)),
}

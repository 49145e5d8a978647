"""What a finished run says of a recording of one's own, or of a folder of them; a fusion does without either file.

python experiments/predict.py --run KEY --storage DIR --video clip.avi --imu signal.csv

python experiments/predict.py --run KEY --storage DIR --folder DIR --out predictions.parquet
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq
import tyro
from rich.table import Table

from orchestrator.driver.terminal import console, refuse_bad_input, tell


@dataclass(frozen=True)
class Asked:
    run: str
    """The key of a run that is done, or its first letters."""
    storage: Path = Path("output")
    """The storage that holds it."""
    video: Path | None = None
    """AVI, MP4, MOV, Matroska, WebM, MPEG, WMV or FLV."""
    imu: Path | None = None
    """A .csv with the columns ax, ay, az (g, with gravity), gx, gy, gz (deg/s) at 50 Hz, or UTD-MHAD's .mat; of an
    MMAct run the folder of acc_phone.csv, acc_watch.csv, gyro.csv and orientation.csv."""
    files: dict[str, Path] = field(default_factory=dict)
    """Recordings of other modalities, as in `--files skeleton clip.mat`."""
    folder: Path | None = None
    """All clips below it instead; recordings of one name are one clip."""
    out: Path | None = None
    """The Parquet file that a folder's predictions go to."""


def predict(asked: Asked) -> int:
    """Exit code 1 where some of a folder's files are bad: they are named, and the rest is written."""
    # torch, which --help and a wrong flag don't wait for.
    from orchestrator.serving.predictor import Predictor, predict_files, predict_folder
    from orchestrator.storage.store import Store

    given = {"imu": asked.imu, "video": asked.video} | asked.files
    files = {name: file for name, file in given.items() if file}
    if (asked.folder is None) != (asked.out is None) or (asked.folder and files):
        raise ValueError("give --video, --imu or --files, or else --folder DIR with --out FILE.parquet.")
    predictor = Predictor.of(Store(asked.storage.resolve()), asked.run)
    if asked.folder is None or asked.out is None:
        probabilities = predict_files(predictor, files, lambda words: tell(f"note: {words}"))
        table = Table("class", "probability", title=predictor.spec.name, box=None, pad_edge=False)
        for i in probabilities.argsort()[::-1]:
            table.add_row(predictor.classes[i], f"{probabilities[i]:.4f}")
        console.print(table)
        return 0
    found = predict_folder(predictor, asked.folder)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    about = {"run": predictor.spec.key, "classes": "\n".join(predictor.classes)}
    pq.write_table(found.replace_schema_metadata(about), asked.out)
    bad = [error for error in found["error"].to_pylist() if error]
    for clip, note in zip(found["clip"].to_pylist(), found["note"].to_pylist(), strict=True):
        if note:
            tell(f"note: {clip}: {note}")
    for error in bad:
        tell(f"left out: {error}")
    console.print(f"{asked.out}: {found.num_rows - len(bad)} of {found.num_rows} clips", highlight=False)
    return 1 if bad else 0


if __name__ == "__main__":
    asked = tyro.cli(Asked, description=__doc__)
    sys.exit(refuse_bad_input(lambda: predict(asked)))

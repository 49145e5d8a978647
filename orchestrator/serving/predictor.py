"""What a finished run says of recordings that are in no corpus, by the code that training decodes and reads with."""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from torch import nn

from datasets import corpora
from datasets.files import listing, sandbox
from datasets.manifest import Manifest
from datasets.signals import inertial, units
from datasets.spec import LEAST_SAMPLES
from datasets.videos import decode, video_file
from datasets.videos.video_file import NOTES, VIDEOS
from models.build import build, build_fusion, restore
from models.spec import FusionModel
from orchestrator.plan.spec import DataSpec, RunSpec, code_of
from orchestrator.storage.store import RunFolder, Store
from orchestrator.worker.reader import see

# How UTD-MHAD ends the names of a trial's two files, and those of what no run reads.
ENDINGS = re.compile("_(color|inertial)$", re.IGNORECASE)
OTHERS = ("_depth", "_skeleton")
Note = Callable[[str], object]


def finished(store: Store, key: str) -> RunFolder:
    """The run's folder; raises ValueError unless the run is done."""
    folder = store.run(key)
    if not (folder.path / "spec.json").exists():
        raise ValueError(f"--run {key}: {store.root} has no such run; experiments/status.py lists those of a plan.")
    if folder.status != "done":
        raise ValueError(f"--run {key}: {folder.spec.name} is {folder.status}, not done.")
    if not store.manifest(folder.spec.data.manifest).exists():
        raise ValueError(f"{store.manifest(folder.spec.data.manifest)}: missing, and it names the run's classes.")
    return folder


def load(store: Store, folder: RunFolder, classes: int) -> nn.Module:
    """The network as its run left it, in evaluation. A fusion's parents only say how its encoders are built."""
    spec = folder.spec
    if spec.code < code_of(spec):
        raise ValueError(f"{folder.path}: was trained by code that has changed what it computes since; train it again.")
    if isinstance(spec.model, FusionModel):
        parts = {"imu": spec.model.imu, "video": spec.model.video}
        for modality, key in spec.parents:
            if not (store.run(key).path / "spec.json").exists():
                raise ValueError(f"{store.run(key).path}: the {modality} run that {folder.key} starts from is missing.")
            parts[modality] = store.run(key).spec.model  # pyright: ignore[reportArgumentType]
        imu, video = (build(part, classes) for part in parts.values() if part)
        model = build_fusion(spec.model, imu, video, classes)
    else:
        model = build(spec.model, classes)
    state = folder.load("model")
    if state is None:
        raise ValueError(f"{folder.path / 'model.pt'}: missing; without its weights a run predicts nothing.")
    restore(model, state["model"])
    return model.eval()


@dataclass(frozen=True)
class Predictor:
    """`classes` are the names behind the probabilities, `layout` is the corpus whose recordings the run reads."""

    spec: RunSpec
    model: nn.Module
    classes: tuple[str, ...]
    layout: str

    @staticmethod
    def of(store: Store, key: str) -> "Predictor":
        folder = finished(store, key)
        manifest = Manifest.read(store.manifest(folder.spec.data.manifest))
        return Predictor(folder.spec, load(store, folder, len(manifest.classes)), manifest.classes, manifest.layout)

    @property
    def channels(self) -> int:
        """Of the signals."""
        return corpora.of(self.layout).channels

    def modalities(self) -> tuple[str, ...]:
        return ("imu", "video") if self.spec.kind == "fusion" else (self.spec.kind,)

    @torch.no_grad()
    def probabilities(
        self, video: Path | None = None, signal: np.ndarray | None = None, note: Note = lambda words: None
    ) -> np.ndarray:
        """(K,) float32 of one clip. A fusion does without either; what the run doesn't read is an error.

        `note` is told what is to be known of the recordings, as the scan of a corpus would tell it.
        """
        data, reads = self.spec.data, self.modalities()
        given = {"imu": signal is not None, "video": video is not None}
        if unread := [name for name in given if given[name] and name not in reads]:
            raise ValueError(
                f"{unread[0]} was given, and the run is a {self.spec.kind} run: it reads {reads[0]} alone."
            )
        if not any(given.values()):
            raise ValueError(f"nothing to predict from: the run reads {' and '.join(reads)}.")
        batch = {}
        if "imu" in reads:
            nothing = np.zeros((LEAST_SAMPLES, self.channels), np.float32)
            batch |= clip_signal(data, nothing if signal is None else corpora.check(self.layout, signal))
        # Nobody vouches for it: first in a process apart, which a file that crashes or swells ends alone.
        found = sandbox.examine(video_file.SUMMARY, video) if video else None
        if "video" in reads:
            batch |= clip_video(data, video, found)
        self._remark(signal, found, note)
        batch = see(batch, data, None)
        for name in reads:
            if not given[name]:  # all of it is padding, as a missing modality is in training
                batch[f"{name}_length"] = torch.zeros_like(batch[f"{name}_length"])
        return self.model(batch).float().softmax(1)[0].numpy()

    def _remark(self, signal: np.ndarray | None, film: sandbox.Found | None, note: Note) -> None:
        """Tells `note` what the scan of a corpus would tell of these two."""
        corpus = corpora.of(self.layout)
        for kind, detail in film.notes.items() if film else ():
            note(f"{NOTES[kind]}{f' ({detail})' if detail else ''}")
        warnings = []
        if signal is not None:
            warnings.append(units.warning([units.levels(signal)], corpus.units))
        if signal is not None and film and "slow" not in film.notes:
            warnings.append(units.rate_warning([len(signal)], [film.seconds], corpus.hz))
        for words in filter(None, warnings):
            note(f"WARNING: {words}")


def check_length(signal: np.ndarray) -> None:
    if len(signal) < LEAST_SAMPLES:
        raise ValueError(f"{len(signal)} samples are too few: the network looks at {LEAST_SAMPLES} at a time.")


def clip_signal(data: DataSpec, signal: np.ndarray) -> dict[str, torch.Tensor]:
    """A batch of one signal (S, C), as the shards hold it; one longer than the corpus's keeps its length."""
    check_length(signal)
    assert data.samples
    padded, length = inertial.pad_signal(signal, max(data.samples, len(signal)))
    return {"imu": torch.from_numpy(padded)[None], "imu_length": torch.tensor([length])}


def clip_video(data: DataSpec, file: Path | None, found: sandbox.Found | None = None) -> dict[str, torch.Tensor]:
    """A batch of one video, as the shards hold it; without a video, of nothing. `found` is what examining it gave."""
    frames, size = data.stored_frames or data.frames, data.stored_size or data.size
    assert frames and size
    if file:
        total = (found or sandbox.examine(video_file.SUMMARY, file)).count
        pixels, length = decode.decode_video(file, frames, total, size, data.crop)
    else:
        pixels, length = np.zeros((frames, size, size, 3), np.uint8), 0
    return {"video": torch.from_numpy(pixels)[None], "video_length": torch.tensor([length])}


def predict_files(
    predictor: Predictor, video: Path | None, imu: Path | None, note: Note = lambda words: None
) -> np.ndarray:
    """(K,). `imu` is a file, or of MMAct a folder of its sensors' files. Raises ValueError that names what is bad."""
    for file in filter(None, (video, imu)):
        if not file.exists():
            raise ValueError(f"{file}: no such file.")
    at = imu
    try:
        signal = read_own(predictor, imu) if imu else None
        at = video
        return predictor.probabilities(video, signal, note)
    except ValueError as error:
        raise ValueError(f"{at}: {error}" if at and not str(error).startswith(str(at)) else str(error)) from None


def read_own(predictor: Predictor, imu: Path) -> np.ndarray:
    """(S, C) as the run's corpus reads it. Raises ValueError where it is too short or none."""
    named = corpora.of(predictor.layout).own(imu)
    if imu.is_file():
        sandbox.examine(corpora.SUMMARY, imu, predictor.layout)
    signal = corpora.signal(predictor.layout, imu.parent, named, predictor.spec.data.rate)
    check_length(signal)
    return signal


def clips(layout: str, folder: Path) -> dict[str, dict[str, Path]]:
    """The clips below a folder: a video and a signal of one name belong together, in whichever folders they lie."""
    found: dict[str, dict[str, Path]] = {}
    # What a cloud keeps or a link doesn't lead to is a clip too, that can't be read.
    for file in sorted([*listing.walk(folder), *listing.not_downloaded(folder)]):
        if file.stem.lower().endswith(OTHERS):
            continue
        kind = "video" if file.suffix.lower() in VIDEOS and not file.is_dir() else None
        with suppress(ValueError):
            kind = kind or (corpora.of(layout).own(file) and "imu")
        if kind is None:
            continue
        name = listing.printable(file.name if file.is_dir() else file.stem)
        name = ENDINGS.sub("", name)
        first = found.setdefault(name, {}).setdefault(kind, file)
        if file.suffix.lower() != first.suffix.lower() or not listing.is_copy(file, first):
            raise ValueError(f"{file}: {first} has the same name; which belongs to {name}?")
    return found


def predict_folder(predictor: Predictor, folder: Path) -> pa.Table:
    """A row a clip: clip, predicted (a class), probabilities, what is to be known of its recordings, and error.

    Where a file is bad the prediction is null.
    """
    if not folder.is_dir():
        raise ValueError(f"--folder {folder}: no such folder.")
    reads, rows = predictor.modalities(), []
    for name, files in clips(predictor.layout, folder).items():
        mine = {kind: file for kind, file in files.items() if kind in reads}
        if not mine:
            continue
        notes: list[str] = []
        row = {"clip": name, "predicted": None, "probabilities": None, "error": None}
        try:
            probabilities = predict_files(predictor, mine.get("video"), mine.get("imu"), notes.append)
            row |= {"predicted": predictor.classes[probabilities.argmax()], "probabilities": probabilities}
        except (ValueError, OSError) as error:
            row["error"] = listing.printable(str(error))
        rows.append(row | {"note": "; ".join(notes) or None})
    if not rows:
        raise ValueError(
            f"--folder {folder}: holds no {' or '.join(reads)} recording of {predictor.layout}'s kind"
            f" ({', '.join(sorted(VIDEOS))}; .csv, .mat, or of MMAct a folder of its sensors' .csv)."
        )
    columns = [("clip", pa.string()), ("predicted", pa.string()), ("probabilities", pa.list_(pa.float32()))]
    return pa.Table.from_pylist(rows, pa.schema([*columns, ("note", pa.string()), ("error", pa.string())]))

"""What a finished run says of recordings that are in no corpus, by the code that training decodes and reads with."""

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from datasets import corpora, modalities
from datasets.files import listing, sandbox
from datasets.files.sandbox import Found
from datasets.manifest import Manifest
from datasets.modalities import Source
from models.network import Network
from orchestrator.plan.spec import CODE, RunSpec
from orchestrator.storage.run_folder import RunFolder
from orchestrator.storage.store import Store
from orchestrator.worker.train import shaped
from orchestrator.worker.transforms import see

# How UTD-MHAD ends the names of a trial's files, beside the endings that modalities have of their own.
ENDINGS = re.compile("_(color|inertial)$", re.IGNORECASE)
Note = Callable[[str], object]
Rows = Sequence[Sequence[float | None]]
Clip = tuple[np.ndarray, int]  # as a shard stores it, and its true length


def finished(store: Store, key: str) -> RunFolder:
    """The run's folder, by its key or by a prefix that no other run's key has.

    Raises ValueError unless the run is done, and names classes.
    """
    found = [folder for folder in store.runs() if key and folder.key.startswith(key)]
    found = [folder for folder in found if folder.key == key] or found
    if len(found) > 1:
        several = ", ".join(folder.key for folder in found[:5]) + ", …" * (len(found) > 5)
        raise ValueError(f"--run {key}: {store.root} has {len(found)} runs whose keys begin with it: {several}.")
    if not found:
        raise ValueError(f"--run {key}: {store.root} has no such run; experiments/status.py lists those of a plan.")
    [folder] = found
    if folder.status != "done":
        raise ValueError(f"--run {key}: {folder.spec.name} is {folder.status}, not done.")
    if not folder.spec.classifies:
        raise ValueError(f"--run {key}: {folder.spec.name} has no classifier; give a run that starts from it.")
    if not store.manifest(folder.spec.data.recordings).exists():
        raise ValueError(f"{store.manifest(folder.spec.data.recordings)}: missing, and it names the run's classes.")
    return folder


def load(store: Store, folder: RunFolder, classes: int) -> Network:
    """The network as its run left it, in evaluation."""
    spec = folder.spec
    if spec.code != CODE:
        raise ValueError(f"{folder.path}: was trained by code that has changed what it computes since; train it again.")
    for role, key in spec.parents.items():
        if role not in spec.network.encoders and not (store.run(key).path / "spec.json").exists():
            raise ValueError(f"{store.run(key).path}: the {role} run that {folder.key} starts from is missing.")
    model, state = shaped(store, spec, classes), folder.load("model")
    if state is None:
        raise ValueError(f"{folder.path / 'model.pt'}: missing; without its weights a run predicts nothing.")
    model.load_state_dict(state["model"])
    return model.eval()  # pyright: ignore[reportReturnType]


@dataclass(frozen=True)
class Predictor:
    """`classes` are the names behind the probabilities, `layout` is the corpus whose recordings the run reads."""

    spec: RunSpec
    model: Network
    classes: tuple[str, ...]
    layout: str

    @staticmethod
    def of(store: Store, key: str) -> "Predictor":
        folder = finished(store, key)
        manifest = Manifest.read(store.manifest(folder.spec.data.recordings))
        return Predictor(folder.spec, load(store, folder, len(manifest.classes)), manifest.classes, manifest.layout)

    def source(self, modality: str) -> Source:
        return corpora.of(self.layout).source(modality)

    @torch.no_grad()
    def probabilities(self, clips: Mapping[str, Clip]) -> np.ndarray:
        """(K,) float32 of one clip, by modality as a shard stores it. Some of several modalities may be missing."""
        batch = {}
        for name, given in self.spec.data.inputs.items():
            values, length = clips.get(name) or modalities.of(name).missing(given)
            batch |= {name: torch.from_numpy(values)[None], f"{name}_length": torch.tensor([length])}
        batch = see(batch, self.spec, vary=False)
        for name in self.spec.modalities:
            if name not in clips:  # all of it is padding, as a missing modality is in training
                batch[f"{name}_length"] = torch.zeros_like(batch[f"{name}_length"])
        return self.model.logits(batch).float().softmax(1)[0].numpy()

    def check(self, given: Sequence[str]) -> None:
        """Raises ValueError for a modality that the run doesn't read, or where none is given."""
        reads = " and ".join(self.spec.modalities)
        if unread := [name for name in given if name not in self.spec.modalities]:
            raise ValueError(f"{unread[0]} was given, and the run is a {self.spec.stage} run: it reads {reads} alone.")
        if not given:
            raise ValueError(f"nothing to predict from: the run reads {reads}.")


def predict_files(predictor: Predictor, files: Mapping[str, Path], note: Note = warnings.warn) -> np.ndarray:
    """(K,) of one clip's recordings by modality: files, or of MMAct's signals a folder of its sensors' files.

    `note` is told what is to be known of them, such as an implausible unit, as the scan of a corpus would tell it; by
    default it is a Python warning. Raises ValueError that names what is bad.
    """
    for file in files.values():
        if not file.exists():
            raise ValueError(f"{file}: no such file.")
    return predict(predictor, files, note)


def predict(predictor: Predictor, asked: Mapping[str, Rows | Path], note: Note = lambda words: None) -> np.ndarray:
    """The same, also of rows of numbers, as a request to the server has them."""
    predictor.check(list(asked))
    clips: dict[str, Clip] = {}
    found: dict[str, Found] = {}
    for name, value in asked.items():
        clips[name], found[name] = loaded(predictor, name, value)
    words: list[str] = []
    for name, each in found.items():
        modality, source = modalities.of(name), predictor.source(name)
        words += [*modality.remarks_of(each, source), *modality.remarks_beside([found], source)]
    for word in sorted(words, key=lambda word: word.startswith("WARNING: ")):
        note(word)
    return predictor.probabilities(clips)


def loaded(predictor: Predictor, name: str, value: Rows | Path) -> tuple[Clip, Found]:
    """A recording, and what a scan would find in it. Raises ValueError that names a file."""
    modality, source, given = modalities.of(name), predictor.source(name), predictor.spec.data.inputs[name]
    if not isinstance(value, Path):
        clip, found = modality.from_rows(value, source, given)
        modality.check_length(clip[1])
        return clip, found
    try:
        own = modality.own(value, source)
        # Nobody vouches for it: first in a process apart, which a file that crashes or swells ends alone.
        apart = value.is_file()
        found = sandbox.examine(corpora.SUMMARY, value, name, predictor.layout) if apart else None
        found = found or modality.found(value.parent, own, source)
        clip = modality.load(value.parent, own, found.count, source, given)
        modality.check_length(clip[1])
        return clip, found
    except ValueError as error:
        raise ValueError(str(error) if str(error).startswith(str(value)) else f"{value}: {error}") from None


def clips(layout: str, read: Sequence[str], folder: Path) -> dict[str, dict[str, Path]]:
    """The clips below a folder, of the modalities `read`: those of one name belong together, in whichever folders."""
    found: dict[str, dict[str, Path]] = {}
    # What a cloud keeps or a link doesn't lead to is a clip too, that can't be read.
    for file in sorted([*listing.walk(folder), *listing.not_downloaded(folder)]):
        _, ending = modalities.of_file(file.name) or ("", "")
        kind = next((name for name in read if is_own(layout, name, file)), None)
        if kind is None or marked(file) not in (None, kind):
            continue
        ending = (ending or file.suffix) if not file.is_dir() else ""
        name = ENDINGS.sub("", listing.printable(file.name[: len(file.name) - len(ending)]))
        first = found.setdefault(name, {}).setdefault(kind, file)
        if file.suffix.lower() != first.suffix.lower() or not listing.is_copy(file, first):
            raise ValueError(f"{file}: {first} has the same name; which belongs to {name}?")
    return found


def marked(file: Path) -> str | None:
    """The modality whose ending a name has before its extension: "a_depth.avi" is a picture of depth, and no video."""
    marks = {
        ending.rpartition(".")[0]: name for name in modalities.MODALITIES for ending in modalities.of(name).endings
    }
    return next((name for mark, name in marks.items() if mark and file.stem.lower().endswith(mark)), None)


def is_own(layout: str, name: str, file: Path) -> bool:
    """Whether a path may be a recording of a modality."""
    source = corpora.of(layout).source(name)
    if source.own is None and (modalities.of_file(file.name) or ("",))[0] != name:
        return False
    with suppress(ValueError):
        return bool(modalities.of(name).own(file, source))
    return False


def predict_folder(predictor: Predictor, folder: Path) -> pa.Table:
    """A row a clip: clip, predicted (a class), probabilities, what is to be known of its recordings, and error.

    Where a file is bad the prediction is null.
    """
    if not folder.is_dir():
        raise ValueError(f"--folder {folder}: no such folder.")
    rows: list[dict[str, Any]] = []
    for name, files in clips(predictor.layout, predictor.spec.modalities, folder).items():
        notes: list[str] = []
        row = {"clip": name, "predicted": None, "probabilities": None, "error": None}
        try:
            probabilities = predict_files(predictor, files, notes.append)
            row |= {"predicted": predictor.classes[probabilities.argmax()], "probabilities": probabilities}
        except (ValueError, OSError) as error:
            row["error"] = listing.printable(str(error))
        rows.append(row | {"note": "; ".join(notes) or None})
    if not rows:
        kinds = [f"{name}: {', '.join(modalities.of(name).endings)}" for name in predictor.spec.modalities]
        raise ValueError(
            f"--folder {folder}: holds no recording of {predictor.layout}'s kind that the run reads"
            f" ({'; '.join(kinds)}; of MMAct's signals a folder of its sensors' .csv, of its poses a .json)."
        )
    columns = [("clip", pa.string()), ("predicted", pa.string()), ("probabilities", pa.list_(pa.float32()))]
    return pa.Table.from_pylist(rows, pa.schema([*columns, ("note", pa.string()), ("error", pa.string())]))

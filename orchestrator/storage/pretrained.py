"""Pretrained weights: brought into the storage before anything starts, so that no worker needs the internet."""

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datasets.files.atomic import writing
from models import encoders
from models.encoders import ENCODERS
from models.spec import EncoderSpec
from orchestrator.plan.plan import Plan
from orchestrator.storage import arrays, published
from orchestrator.storage.store import Store

WORDS = ("none", "kinetics400")


def named(given: Sequence[str]) -> dict[str, str]:
    """How specs name what --weights gives, by backbone; by "" what every other backbone starts from.

    A file is named by its content. Raises ValueError where it isn't there.
    """
    found = {}
    for backbone, start in map(_parts, given):
        if start in WORDS:
            found[backbone] = start
            continue
        if not Path(start).is_file():
            raise ValueError(
                f"--weights {start}: no such file. Give {', '.join(WORDS)} or a file, of all backbones or of one:"
                f" {', '.join(f'{name}=FILE' for name in _backbones())}."
            )
        found[backbone] = f"sha256:{_digest(Path(start))[:16]}"
    return found


def _backbones() -> list[str]:
    return sorted({line.backbone for line in ENCODERS.values() if "weights" in line.settings})


def _parts(word: str) -> tuple[str, str]:
    """BACKBONE=START in its parts, or "" and all of the word."""
    backbone, _, start = word.partition("=")
    return (backbone, start) if backbone in _backbones() else ("", word)


def fetch(plan: Plan, store: Store, given: Sequence[str]) -> None:
    """Put the weights a plan's runs name where `Store.weights` says; raises ValueError where they can't be had."""
    encoding = [encoder for spec in plan.runs.values() for encoder in spec.network.encoders.values()]
    started = [encoder for encoder in encoding if encoder.weights != "none"]
    files = {}
    for word in given:
        backbone, start = _parts(word)
        name = named([word])[backbone]
        if not any(e.settings.get("weights") == name and backbone in ("", ENCODERS[e.name].backbone) for e in encoding):
            raise ValueError(f"--weights {word}: no encoder of this plan starts from pretrained weights of it.")
        files[name] = Path(start)
    for place, encoder in sorted({store.weights(encoder): encoder for encoder in started}.items()):
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            with writing(place) as part:
                if encoder.weights in files:
                    shutil.copyfile(files[encoder.weights], part)
                else:
                    published.download(ENCODERS[encoder.name].backbone, place.name, part, place)
        _check(place, encoder)


def read(file: Path) -> Any:
    """What a file of weights holds, for `Encoder.load_weights`: tensors, or of a .ckpt NumPy arrays. No code runs.

    Raises ValueError naming a file that can't be read.
    """
    import torch

    try:
        return arrays.read(file) if file.suffix == ".ckpt" else torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # what torch and pickle raise for damaged content is of many kinds
        raise ValueError(f"{file}: can't be read ({type(error).__name__}: {str(error)[:300]}).") from None


def _check(file: Path, encoder: EncoderSpec) -> None:
    """A wrong file must not end every run an hour later."""
    told = file.stem.rpartition("-")[2]
    if not _digest(file).startswith(told):
        raise ValueError(
            f"{file}: is damaged, its content isn't what its name says; remove it to have it fetched again."
        )
    try:
        encoders.build(encoder.name, encoder.settings).load_weights(read(file))
    except Exception as error:
        raise ValueError(
            f"{file}: can't be used as {encoder.name.upper()} weights ({type(error).__name__}: {str(error)[:300]})."
        ) from None


def _digest(file: Path) -> str:
    with file.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()

"""Pretrained S3D weights: brought into the storage before anything starts, so that no worker needs the internet."""

import hashlib
import shutil
import urllib.error
from pathlib import Path

from datasets.files.atomic import writing
from models import encoders
from models.spec import EncoderSpec
from orchestrator.plan.plan import Plan
from orchestrator.storage.store import Store


def name(file: Path | None) -> str | None:
    """How a spec names a file of weights: by its content."""
    if file is None:
        return None
    if not file.is_file():
        raise ValueError(f"--weights {file}: no such file.")
    return "sha256:" + hashlib.sha256(file.read_bytes()).hexdigest()[:16]


def fetch(plan: Plan, store: Store, file: Path | None) -> None:
    """Put the weights a plan's runs name where `Store.weights` says; raises ValueError where they can't be had."""
    started = [encoder for spec in plan.runs.values() for encoder in spec.network.encoders.values()]
    named = {encoder.weights: encoder for encoder in started if encoder.weights != "none"}
    if file and not named:
        raise ValueError(f"--weights {file}: no encoder of this plan starts from pretrained weights.")
    for weights in sorted(named):
        place = store.weights(weights)
        if place.exists():
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        with writing(place) as part:
            if file is not None:
                shutil.copyfile(file, part)
            else:
                _download(part, place)
    for weights, encoder in sorted(named.items()):
        _check(store.weights(weights), encoder)


def _download(part: Path, place: Path) -> None:
    from torch.hub import download_url_to_file, get_dir
    from torchvision.models.video import S3D_Weights

    url = S3D_Weights.KINETICS400_V1.url
    cached = Path(get_dir()) / "checkpoints" / place.name
    if cached.exists():
        shutil.copyfile(cached, part)
        return
    try:
        download_url_to_file(url, str(part), hash_prefix="d76dad2f", progress=False)
    except (urllib.error.URLError, OSError, RuntimeError) as error:
        raise ValueError(
            f"S3D's Kinetics-400 weights can't be downloaded ({error}). Fetch {url} where there is internet and put it"
            f" at {place}; or give a file of your own with --weights FILE, or choose a scale that trains from scratch."
        ) from None


def _check(file: Path, encoder: EncoderSpec) -> None:
    """A wrong file must not end every run an hour later."""
    import torch

    told = file.stem.removeprefix("s3d-")
    if not hashlib.sha256(file.read_bytes()).hexdigest().startswith(told):
        raise ValueError(
            f"{file}: is damaged, its content isn't what its name says; remove it to have it fetched again."
        )
    try:
        weights = torch.load(file, map_location="cpu", weights_only=True)
        encoders.build(encoder.name, encoder.settings).load_weights(weights)
    except Exception as error:
        raise ValueError(
            f"{file}: can't be used as {encoder.name.upper()} weights ({type(error).__name__}: {str(error)[:300]})."
        ) from None

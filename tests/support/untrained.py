"""A storage with a done run of each kind, and of each with the tuned recipe's resampling and crops; untrained."""

from pathlib import Path

import torch
from torch import nn

from datasets import corpora
from datasets.manifest import Manifest
from models.build import build, build_fusion
from models.spec import FusionModel
from orchestrator.plan.recipe import recipe_of
from orchestrator.plan.spec import DataSpec, RunSpec
from orchestrator.serving.predictor import clip_signal, clip_video
from orchestrator.storage.store import Store
from orchestrator.worker.reader import see

KINDS = ("imu", "video", "fusion")
CLIP = "a2_s2_t1"


def six_done(root: Path, manifest: Manifest) -> tuple[Store, dict[str, RunSpec]]:
    """The runs by kind and recipe, as in "fusion tuned"."""
    store, specs = Store(root), {}
    manifest.write(store.manifest(manifest.digest))
    for recipe in ("paper", "tuned"):
        for kind in KINDS:
            specs[f"{kind} {recipe}"] = _finish(store, manifest, recipe, kind, specs)
    return store, specs


def _finish(store: Store, manifest: Manifest, recipe: str, kind: str, specs: dict[str, RunSpec]) -> RunSpec:
    how, classes = recipe_of(recipe, manifest.layout), len(manifest.classes)
    stored = (
        {"stored_frames": 9, "stored_size": 36, "crop": "motion", "channels": "motion"} if recipe == "tuned" else {}
    )
    samples = manifest.samples_at(how.rate) if how.rate else manifest.max_samples
    imu = {"samples": samples, "resampled": how.resampled, "rate": how.rate} if kind != "video" else {}
    video = {"frames": 8, "size": 32} | stored if kind != "imu" else {}
    parents = tuple((m, specs[f"{m} {recipe}"].key) for m in ("imu", "video")) if kind == "fusion" else ()
    data = DataSpec(manifest.digest, **imu, **video)
    spec = RunSpec(how.models[kind], data, how.optimization[kind], 0, parents=parents)  # pyright: ignore
    torch.manual_seed(0)
    if isinstance(spec.model, FusionModel):
        stage1 = [build(how.models[m], classes) for m in ("imu", "video")]  # pyright: ignore
        model = build_fusion(spec.model, *stage1, classes)
    else:
        model = build(spec.model, classes)
    settle(model, spec, manifest)
    folder = store.run(spec.key)
    folder.begin(spec)
    folder.save("model", {"model": model.state_dict()})
    folder.finish(1.0)
    return spec


def settle(model: nn.Module, spec: RunSpec, manifest: Manifest) -> None:
    """Statistics as a training leaves them: with a fresh network's every clip would look alike."""
    for name, value in model.named_buffers():
        if name.endswith("std"):
            value.fill_(0.3 if value.shape == (3,) else 40.0)
    model.train()
    for layer in model.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            layer.train()
            layer.momentum = None  # of this batch alone
    parts = []
    for clip in manifest.clips.to_pylist():
        part = {}
        if spec.kind != "video":
            signal = corpora.signal(manifest.layout, manifest.root, clip["imu"], spec.data.rate)
            part |= clip_signal(spec.data, signal)
        if spec.kind != "imu":
            part |= clip_video(spec.data, manifest.root / clip["video"])
        parts.append(part)
    batch = see({name: torch.cat([part[name] for part in parts]) for name in parts[0]}, spec.data, None)
    with torch.no_grad():
        model(batch)

"""A storage with a done run of each stage, and of each with the tuned recipe's resampling and crops; untrained."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from datasets import corpora, modalities, shards
from datasets.decoding import Recordings
from datasets.manifest import Manifest
from models.build import build
from models.network import Network
from models.spec import NetworkSpec
from orchestrator.plan.recipes import recipe_of
from orchestrator.plan.spec import DataSpec, RunSpec
from orchestrator.storage.store import Store
from orchestrator.worker.transforms import see

KINDS = {"imu": ("imu",), "video": ("video",), "fusion": ("imu", "video")}
CLIP = "a2_s2_t1"


def six_done(root: Path, manifest: Manifest) -> tuple[Store, dict[str, RunSpec]]:
    """The runs by stage and recipe, as in "fusion tuned"."""
    store, specs = Store(root), {}
    for read in KINDS.values():
        part = manifest.of(read)
        part.write(store.manifest(part.digest))
    for recipe in ("paper", "tuned"):
        for kind in KINDS:
            specs[f"{kind} {recipe}"] = finish(store, manifest, recipe, KINDS[kind], specs)
    return store, specs


def fused_done(root: Path, manifest: Manifest) -> tuple[Store, dict[str, str]]:
    """Done runs of the tuned recipe on each of two modalities and on both: the keys, as in "depth+imu"."""
    store, specs, keys = Store(root), {}, {}
    for read in (*((name,) for name in manifest.modalities), manifest.modalities):
        part = manifest.of(read)
        part.write(store.manifest(part.digest))
        spec = finish(store, part, "tuned", read, specs)
        specs[f"{spec.stage} tuned"], keys["+".join(read)] = spec, spec.key
    return store, keys


def inputs_of(manifest: Manifest, recipe: str) -> dict[str, Any]:
    """Videos and depth in 8 frames of 32x32, of 9 of 36x36 in the tuned recipe's shards."""
    found = {}
    for name in manifest.modalities:
        settings = recipe_of(recipe, manifest.layout).settings(name)
        if name in ("video", "depth"):
            spare = {"spare_frames": 1.125, "spare_size": 1.125} if recipe == "tuned" else {}
            settings = replace(settings, frames=8, size=32, **spare)
        source = corpora.of(manifest.layout).source(name)
        longest = lambda rate, name=name: manifest.longest(name, rate)  # noqa: E731
        found[name] = modalities.of(name).input(settings, source, longest)
    return found


def finish(store: Store, manifest: Manifest, recipe: str, read: tuple[str, ...], specs: dict[str, RunSpec]) -> RunSpec:
    """A done run on these modalities; of several its parents are among `specs`."""
    how, inputs = recipe_of(recipe, manifest.layout), inputs_of(manifest, recipe)
    kind = read[0] if len(read) == 1 else "fusion"
    encoders = {name: how.encoder(name) for name in read}
    for name, encoder in encoders.items():
        decided = modalities.of(name).decided(inputs[name])
        settings = encoder.settings | {n: value for n, value in decided.items() if n in encoder.settings}
        encoders[name] = replace(encoder, settings=settings)
    parents = {m: specs[f"{m} {recipe}"].key for m in read} if len(read) > 1 else {}
    data = DataSpec(manifest.of(read).digest, {name: inputs[name] for name in read})
    spec = RunSpec(
        kind,
        NetworkSpec(encoders, how.stage(kind).head.of(read)),
        data,
        how.stage(kind).optimization,
        0,
        parents=parents,
    )
    keep(store, spec, manifest)
    return spec


def keep(store: Store, spec: RunSpec, manifest: Manifest) -> None:
    """A run as if it had been trained, with weights as they are drawn."""
    model = build(spec.network, len(manifest.classes), seed=0)
    settle(model, spec, manifest)
    folder = store.run(spec.key)
    folder.begin(spec)
    folder.save("model", {"model": model.state_dict()})
    folder.finish(1.0)


def settle(model: Network, spec: RunSpec, manifest: Manifest) -> None:
    """Statistics as a training leaves them: with a fresh network's every clip would look alike."""
    for name, value in model.named_buffers():
        if name.endswith("std"):
            value.fill_(0.3 if value.shape == (3,) else 40.0)
    model.train()
    for layer in model.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            layer.train()
            layer.momentum = None  # of this batch alone
    batch = {}
    for name, given in spec.data.inputs.items():
        how, source = modalities.of(name), corpora.of(manifest.layout).source(name)
        rows = manifest.clips.select([name, f"{name}_count"]).to_pylist()
        stored = [how.load(manifest.root, row[name], row[f"{name}_count"], source, given) for row in rows]
        batch[name] = torch.stack([torch.from_numpy(values) for values, _ in stored])
        batch[f"{name}_length"] = torch.tensor([length for _, length in stored])
    with torch.no_grad():
        model.logits(see(batch, spec, vary=False))


def decode(store: Store, manifest: Manifest, spec: RunSpec) -> None:
    """The shards of what a run reads, one of each modality, without a Ray."""
    count = manifest.clips.num_rows
    for name, given in spec.data.inputs.items():
        folder = shards.folder_of(store.root, manifest, name, given)
        folder.mkdir(parents=True)
        recordings = Recordings.of(manifest, name, given)
        shards.write_table(recordings.table(range(count)), folder / "part-00000.parquet")
        index = {"modality": name, "input": recordings.how.stored(given), "notes": []}
        index["files"] = [{"file": "part-00000.parquet", "clips": count}]
        (folder / "index.json").write_text(json.dumps(index))

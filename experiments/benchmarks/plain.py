"""The script that most would write for one result: a DataLoader that reads files in each epoch, fp32, its own stage 1s.

python experiments/benchmarks/plain.py MANIFEST SPECS [MODALITY=WEIGHTS]

SPECS is a JSON file of specs in the order in which they are trained, a fusion after those it starts from. Each is
trained and tested, and seconds are printed as JSON: for each stage those of its epochs, and of all else. What blocks
that never train make of the clips is computed once, with one reading of each file, and kept in memory for all stages.
Its seconds are apart: those of the training clips with their varied views, and those of the test clips.

It shares the manifest, the networks' layers and the readers' libraries, nothing that makes the orchestrator fast: no
shards, no kept clips, of networks without such blocks no frozen trunk's outputs, torch's own memory layout.
"""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from datasets import corpora, modalities, splits
from datasets.manifest import Manifest
from datasets.videos.decode import sample_times
from models.build import build
from models.network import Batch, Network
from orchestrator.plan.spec import RunSpec
from orchestrator.storage import pretrained

Kept = dict[str, dict[int, list[Batch]]]  # by modality and manifest row a clip as it is, then its varied views


class Clips(Dataset):
    """What is kept of a modality stands for its recordings."""

    def __init__(self, manifest: Manifest, rows: Sequence[int], spec: RunSpec, kept: Kept, vary: bool):
        self.clips = [manifest.clips.slice(row, 1).to_pylist()[0] for row in rows]
        self.manifest, self.rows, self.spec, self.kept = manifest, rows, spec, kept
        self.hows: dict[str, Any] = {name: spec.augmentation.get(name) if vary else None for name in spec.modalities}

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, i: int) -> Batch:
        item = {"label": torch.tensor(self.clips[i]["label"])}
        for name, how in self.hows.items():
            if name in self.kept:
                views = self.kept[name][self.rows[i]]
                item |= views[int(torch.randint(len(views), ())) if how else 0]
            else:
                x, length = self.views(i, name, [how])
                item |= {name: x[0], f"{name}_length": length[0]}
        return item

    def views(self, i: int, name: str, hows: Sequence[Any]) -> tuple[Tensor, Tensor]:
        """(V, ...): as a network sees a recording, once for each way to vary it."""
        given = self.spec.data.inputs[name]
        x, length = read(self.manifest, self.clips[i], name, given)
        seen = [modalities.of(name).see(x[None], length[None], given, how) for how in hows]
        x, length = (torch.cat(part) for part in zip(*seen, strict=True))
        return modalities.of(name).arrive(x, length, given), length


class Views(Clips):
    """Of one modality each clip as it is, and so many varied views of it."""

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:  # pyright: ignore[reportIncompatibleMethodOverride]
        [(name, how)] = self.hows.items()
        return self.views(i, name, [None, *[how] * (how.views if how else 0)])


def read(manifest: Manifest, clip: dict[str, Any], name: str, given: Any) -> tuple[Tensor, Tensor]:
    root, count = manifest.root, clip[f"{name}_count"]
    if name != "video":
        source = corpora.of(manifest.layout).source(name)
        x, length = modalities.of(name).load(root, clip[name], count, source, given)
        return torch.from_numpy(x), torch.tensor(length)
    kept, size = set(sample_times(count, given.stored_frames).tolist()), (given.stored_size, given.stored_size)
    with av.open(str(root / clip["video"])) as film:
        images = [f.to_ndarray(format="rgb24") for n, f in enumerate(film.decode(video=0)) if n in kept]
    video = torch.stack([torch.from_numpy(image) for image in images]).permute(0, 3, 1, 2)
    video = F.interpolate(video, size, mode="bilinear", antialias=True).permute(0, 2, 3, 1)
    return F.pad(video, (0, 0) * 3 + (0, given.stored_frames - len(video))), torch.tensor(len(images))


def train_and_test(model: Network, train: Clips, test: Clips, spec: RunSpec) -> dict[str, float]:
    began, how = time.monotonic(), spec.optimization
    alone = len(train) % how.batch == 1  # BatchNorm has no statistics of one clip
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=how.lr)
    spent = 0.0
    for _ in range(how.epochs):
        started = time.monotonic()
        model.train()
        for batch in DataLoader(train, how.batch, shuffle=True, num_workers=1, drop_last=alone):
            loss = F.cross_entropy(model.logits(batch), batch["label"])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        spent += time.monotonic() - started
    model.eval()
    with torch.no_grad():
        for batch in DataLoader(test, 32, num_workers=1):
            model.logits(batch).argmax(1)
    return {"epochs": spent, "rest": time.monotonic() - began - spent}


@torch.no_grad()
def frozen(model: Network, clips: Views) -> tuple[dict[int, list[Batch]], float]:
    """What the blocks that never train make of each view, in float16, by row; and the seconds that it took."""
    [name], began, kept = clips.hows, time.monotonic(), {}
    blocks = clips.spec.network.encoders[name].frozen
    for row, (x, length) in zip(clips.rows, DataLoader(clips, batch_size=None, num_workers=1), strict=True):
        made, steps = model.encoder(name).stored(x, length, blocks)
        kept[row] = [{f"{name}_frozen": m, f"{name}_frozen_length": s} for m, s in zip(made, steps, strict=True)]
    return kept, time.monotonic() - began


def onward(model: Network, name: str, kept: dict[int, list[Batch]]) -> dict[int, list[Batch]]:
    """The same up to the first block that this network trains, where clips don't vary."""
    whole = {row: {k: v[None] for k, v in views[0].items()} for row, views in kept.items()}
    return {row: [{k: v[0] for k, v in model.trunk(own, name).items()}] for row, own in whole.items()}


def main(manifest: Manifest, specs: Sequence[RunSpec], weights: dict[str, str]) -> dict[str, dict[str, float]]:
    torch.manual_seed(0)
    train, test = (rows.tolist() for rows in splits.split(manifest, specs[0].data.protocol))
    models: dict[str, Network] = {}
    kept, seconds = Kept(), {}
    for spec in specs:
        parents = {role: models[role] for role in spec.parents}
        model = build(spec.network, len(manifest.classes), 0, parents)
        for name in weights.keys() & (spec.network.encoders.keys() - parents):
            model.encoder(name).load_weights(pretrained.read(Path(weights[name])))
        models[spec.stage] = model = model.to(memory_format=torch.contiguous_format)
        found = {}
        if spec.stage in spec.network.encoders and spec.network.encoders[spec.stage].frozen:
            of_train, found["train"] = frozen(model, Views(manifest, train, spec, {}, vary=True))
            of_test, found["test"] = frozen(model, Views(manifest, test, spec, {}, vary=False))
            kept[spec.stage] = of_train | of_test
        began = time.monotonic()
        own = {m: of for m, of in kept.items() if m in spec.modalities}
        own |= {m: onward(model, m, of) for m, of in own.items() if not spec.augmentation.get(m)}
        before = time.monotonic() - began
        clips = Clips(manifest, train, spec, own, vary=True), Clips(manifest, test, spec, own, vary=False)
        found |= train_and_test(model, *clips, spec)
        seconds[spec.stage] = found | {"rest": found["rest"] + before}
    return seconds


if __name__ == "__main__":
    _, file, given, *words = sys.argv
    specs = [RunSpec.from_json(record) for record in json.loads(Path(given).read_text())]
    torch.set_num_threads(max(spec.threads for spec in specs))
    print(json.dumps(main(Manifest.read(Path(file)), specs, dict(word.split("=", 1) for word in words))))

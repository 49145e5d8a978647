"""The script that most would write for one result: a DataLoader that decodes in each epoch, fp32, its own stage 1s.

python experiments/benchmarks/plain.py MANIFEST FRAMES SIZE THREADS imu=15 video=2 fusion=2

Trains what is named, a fusion on the two before it, tests each, and prints seconds as JSON: for each stage those of its
epochs, and of all else. It shares the manifest, the networks' layers and the decoder's library, nothing that makes
the orchestrator fast: no shards, no kept clips, no frozen trunk's outputs, torch's own memory layout.
"""

import json
import sys
import time
from pathlib import Path

import av
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from datasets import corpora, modalities, splits
from datasets.manifest import Manifest
from datasets.signals.inertial import pad_signal
from datasets.videos.decode import sample_times
from models.build import build
from models.network import Network
from models.spec import EncoderSpec, NetworkSpec
from orchestrator.plan.recipes import HEADS

BATCH = {"imu": 32, "video": 16, "fusion": 16}
ENCODERS = {"imu": EncoderSpec("cnn"), "video": EncoderSpec("s3d")}
LR = {"imu": 1e-3, "video": 1e-3, "fusion": 5e-4}


class Clips(Dataset):
    def __init__(self, manifest: Manifest, rows: list[int], frames: int, size: int, stage: str):
        self.clips = [manifest.clips.slice(row, 1).to_pylist()[0] for row in rows]
        self.manifest, self.frames, self.size, self.stage = manifest, frames, size, stage

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, i: int) -> dict[str, torch.Tensor]:
        clip, root = self.clips[i], self.manifest.root
        item = {"label": torch.tensor(clip["label"])}
        if self.stage != "video":
            source = corpora.of(self.manifest.layout).source("imu")
            found = modalities.of("imu").read(root, clip["imu"], source)  # pyright: ignore[reportAttributeAccessIssue]
            signal, length = pad_signal(found, self.manifest.longest("imu"))
            item |= {"imu": torch.from_numpy(signal), "imu_length": torch.tensor(length)}
        if self.stage != "imu":
            kept = set(sample_times(clip["video_count"], self.frames).tolist())
            with av.open(str(root / clip["video"])) as film:
                images = [f.to_ndarray(format="rgb24") for n, f in enumerate(film.decode(video=0)) if n in kept]
            video = torch.stack([torch.from_numpy(image) for image in images]).permute(0, 3, 1, 2)
            video = F.interpolate(video, (self.size, self.size), mode="bilinear", antialias=True).permute(0, 2, 3, 1)
            missing = self.frames - len(video)
            item |= {"video": F.pad(video, (0, 0) * 3 + (0, missing)), "video_length": torch.tensor(len(images))}
        return item


def train_and_test(model: Network, train: Clips, test: Clips, epochs: int, stage: str) -> dict[str, float]:
    began, model = time.monotonic(), model.to(memory_format=torch.contiguous_format)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=LR[stage])
    spent = 0.0
    for _ in range(epochs):
        started = time.monotonic()
        model.train()
        for batch in DataLoader(train, BATCH[stage], shuffle=True, num_workers=1, drop_last=True):
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


def main(manifest: Manifest, frames: int, size: int, epochs: dict[str, int]) -> dict[str, dict[str, float]]:
    torch.manual_seed(0)
    train, test = (rows.tolist() for rows in splits.split(manifest, splits.default(manifest)))
    classes, seconds = len(manifest.classes), {}
    alone = {m: build(NetworkSpec({m: encoder}, HEADS[m]), classes, 0) for m, encoder in ENCODERS.items()}
    for stage, count in epochs.items():
        model = alone.get(stage) or build(NetworkSpec(ENCODERS, HEADS["fusion"].of(ENCODERS)), classes, 0, alone)
        trained, tested = (Clips(manifest, rows, frames, size, stage) for rows in (train, test))
        seconds[stage] = train_and_test(model, trained, tested, count, stage)
    return seconds


if __name__ == "__main__":
    _, file, frames, size, threads, *words = sys.argv
    torch.set_num_threads(int(threads))
    epochs = {stage: int(count) for stage, count in (word.split("=") for word in words)}
    print(json.dumps(main(Manifest.read(Path(file)), int(frames), int(size), epochs)))

"""What a fused network looks at in a clip: integrated gradients on both inputs, and its prediction as the clip goes on.

B clips, T frames, H, W pixels, S samples, C channels, K classes.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from captum.attr import IntegratedGradients
from torch import Tensor
from torch.nn.functional import avg_pool2d

from datasets import shards, stream
from datasets.manifest import Manifest
from datasets.spec import Sampling
from models.fusion import Fusion, steps_of
from orchestrator.report.pictures import Look
from orchestrator.serving.predictor import Predictor
from orchestrator.storage.store import RunFolder, Store
from orchestrator.worker.reader import see

EACH = 2  # clips that were right, and as many that were wrong
MOMENTS = 16  # of a clip at which the network is asked what it has seen so far
STEPS = 32  # of the integral; its sum is then within some per cent of what it integrates


def looks(store: Store, key: str) -> list[Look]:
    """Of a fusion run's test clips. Raises ValueError naming what is missing: weights, or the clips themselves."""
    folder = store.run(key)
    predictor = Predictor.of(store, key)
    assert isinstance(predictor.model, Fusion)
    manifest = Manifest.read(store.manifest(folder.spec.data.manifest))
    at = {clip: row for row, clip in enumerate(manifest.clips["clip"].to_pylist())}
    return [_look(store, predictor, predictor.model, manifest, at[clip], clip) for clip in choose(folder)]


def choose(run: RunFolder) -> list[str]:
    """The EACH surest of the right ones and of the wrong ones, no two of a class among either."""
    rows = run.predictions(["clip", "label", "predicted", "probabilities"]).to_pylist()
    rows.sort(key=lambda row: (-row["probabilities"][row["predicted"]], row["clip"]))
    chosen: list[str] = []
    for right in (True, False):
        of_class: dict[int, str] = {}
        for row in rows:
            if (row["label"] == row["predicted"]) == right:
                of_class.setdefault(row["label"], row["clip"])
        chosen += list(of_class.values())[:EACH]
    return chosen


def _look(store: Store, predictor: Predictor, model: Fusion, manifest: Manifest, row: int, clip: str) -> Look:
    batch = see(_stored(store, predictor, model, manifest, row), predictor.spec.data, None)
    so_far_MK = np.stack(list(_so_far(model, batch)))
    predicted = int(so_far_MK[-1].argmax())
    video_THWC, imu_SC = attribute(model, batch, predicted)
    frames, samples = max(1, int(batch["video_length"])), max(1, int(batch["imu_length"]))
    heat_THW = video_THWC.sum(-1)[:frames].abs()
    blur = max(1, heat_THW.shape[-1] // 16) | 1  # odd; single pixels say little
    heat_THW = avg_pool2d(heat_THW[:, None], blur, 1, blur // 2)[:, 0]
    return Look(
        clip=clip,
        label=int(batch["label"]),
        classes=predictor.classes,
        frames_THWC=batch["video"][0, :frames].numpy(),
        heat_THW=heat_THW.numpy(),
        signal_SC=batch["imu"][0, :samples].numpy(),
        weight_S=imu_SC[:samples].abs().sum(-1).numpy(),
        so_far_MK=so_far_MK,
        parts={"video": float(video_THWC.sum()), "IMU": float(imu_SC.sum())},
    )


def _stored(store: Store, predictor: Predictor, model: Fusion, manifest: Manifest, row: int) -> stream.Batch:
    """One clip from its shard, or where there are none, from the recordings."""
    data = predictor.spec.data
    frames, size = data.stored_frames or data.frames, data.stored_size or data.size
    assert frames and size and data.samples
    sampling = Sampling(frames, size, data.samples, data.crop, model.imu.mean.numel(), data.rate)
    folder = shards.folder_of(store.root, manifest, sampling)
    if (folder / "index.json").exists():
        source = shards.Shards.read(folder)
    elif Path(manifest.root).is_dir():
        source = shards.Recordings.of(manifest, sampling)
    else:
        raise ValueError(f"{folder} and {manifest.root}: neither shards nor recordings are there to look at.")
    [task] = source.tasks(np.array([row]), shards.COLUMNS)
    return stream.tensors(source.fetch(pa.Table.from_pylist([task])), sampling)


@torch.no_grad()
def _so_far(model: Fusion, batch: stream.Batch) -> Iterator[np.ndarray]:
    """(K,) probabilities when so much of the clip has been seen, the rest being padding; all of it last."""
    for moment in range(1, MOMENTS + 1):
        cut = {name: -(-batch[name] * moment // MOMENTS) for name in ("video_length", "imu_length")}
        yield model(batch | cut).float().softmax(1)[0].numpy()


def attribute(model: Fusion, batch: stream.Batch, target: int) -> tuple[Tensor, Tensor]:
    """video_THWC and imu_SC: what each input adds to the class's logit over a black video and a signal at its mean.

    Integrated gradients (Sundararajan et al. 2017): they add up to the difference of the two logits.
    """
    lengths = (batch["video_length"], batch["imu_length"])
    # A sensor that has no sample there is at its mean, as the encoder has it.
    imu_BSC = torch.where(batch["imu"].isnan(), model.imu.mean, batch["imu"])

    def logits(video: Tensor, imu: Tensor, video_length: Tensor, imu_length: Tensor) -> Tensor:
        trunk = model.video.trunk(video, video_length, model.trunk_end)  # the model's own passes no gradient
        steps = steps_of(video_length, video.shape[1], trunk.shape[2])
        return model({"trunk": trunk, "trunk_length": steps, "imu": imu, "imu_length": imu_length})

    inputs = (batch["video"].float(), imu_BSC)
    nothing = (torch.zeros_like(inputs[0]), model.imu.mean.expand_as(imu_BSC))
    video, imu = IntegratedGradients(logits).attribute(
        inputs, nothing, target, lengths, n_steps=STEPS, internal_batch_size=4
    )
    return video[0].detach(), imu[0].detach()

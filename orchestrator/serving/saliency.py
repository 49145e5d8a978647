"""What a network looks at in a clip: integrated gradients on its inputs, and its prediction as the clip goes on.

B clips, T frames, H, W pixels, S samples, C channels, K classes.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from captum.attr import IntegratedGradients
from torch import Tensor
from torch.nn.functional import avg_pool2d

from datasets import modalities, shards, splits, stream
from datasets.decoding import Recordings
from datasets.manifest import Manifest
from models.encoders.encoder import steps_of
from models.network import Network
from orchestrator.plan.spec import RunSpec
from orchestrator.report.pictures import Look
from orchestrator.serving.predictor import Predictor
from orchestrator.storage.run_folder import RunFolder
from orchestrator.storage.store import Store
from orchestrator.worker.transforms import see

EACH = 2  # clips that were right, and as many that were wrong
MOMENTS = 16  # of a clip at which the network is asked what it has seen so far
STEPS = 32  # of the integral; its sum is then within some per cent of what it integrates


def looks(store: Store, key: str, names: Mapping[str, str]) -> list[Look]:
    """Of a run's test clips; `names` are the modalities' in the report. Raises ValueError naming what is missing:
    weights, or the clips themselves."""
    folder = store.run(key)
    predictor = Predictor.of(store, key)
    manifest = Manifest.read(store.manifest(folder.spec.data.recordings))
    at = {clip: row for row, clip in enumerate(manifest.clips["clip"].to_pylist())}
    return [_look(stored(store, predictor.spec, manifest, at[clip]), predictor, clip, names) for clip in choose(folder)]


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


def _look(batch: stream.Batch, predictor: Predictor, clip: str, names: Mapping[str, str]) -> Look:
    batch, model = see(batch, predictor.spec, vary=False), predictor.model
    so_far_MK = np.stack(list(_so_far(model, batch)))
    added = attribute(model, batch, int(so_far_MK[-1].argmax()))
    seen = {}
    for name, values in added.items():
        length = max(1, int(batch[f"{name}_length"]))
        weight = values.sum(-1)[:length].abs() if values.dim() == 4 else values[:length].abs().sum(-1)
        weight = (_blurred(weight) if values.dim() == 4 else weight).numpy()
        source = predictor.source(name)
        seen[names[name]] = modalities.of(name).pictured(batch[name][0, :length].numpy(), weight, source)
    return Look(
        clip=clip,
        label=int(batch["label"]),
        classes=predictor.classes,
        seen=seen,
        so_far_MK=so_far_MK,
        parts={names[name]: float(values.sum()) for name, values in added.items()},
    )


def _blurred(heat_THW: Tensor) -> Tensor:
    """Single pixels say little."""
    blur = max(1, heat_THW.shape[-1] // 16) | 1  # odd
    return avg_pool2d(heat_THW[:, None], blur, 1, blur // 2)[:, 0]


def stored(store: Store, spec: RunSpec, manifest: Manifest, row: int) -> stream.Batch:
    """One clip from its shards, or where there are none, from the recordings."""
    batch: stream.Batch = {"label": torch.tensor([int(splits.labels(manifest)[row])])}
    for name, given in spec.data.inputs.items():
        folder = shards.folder_of(store.root, manifest, name, given)
        if (folder / "index.json").exists():
            source = shards.Shards.read(folder)
        elif Path(manifest.root).is_dir():
            source = Recordings.of(manifest, name, given)
        else:
            raise ValueError(f"{folder} and {manifest.root}: neither shards nor recordings are there to look at.")
        batch |= stream.tensors(source.table([row]), {name: modalities.of(name).shape(given)})
    return batch


@torch.no_grad()
def _so_far(model: Network, batch: stream.Batch) -> Iterator[np.ndarray]:
    """(K,) probabilities when so much of the clip has been seen, the rest being padding; all of it last."""
    for moment in range(1, MOMENTS + 1):
        cut = {name: -(-value * moment // MOMENTS) for name, value in batch.items() if name.endswith("_length")}
        yield model.logits(batch | cut).float().softmax(1)[0].numpy()


def attribute(model: Network, batch: stream.Batch, target: int) -> dict[str, Tensor]:
    """What each input, by modality and of its shape, adds to the class's logit over inputs that show nothing.

    Integrated gradients (Sundararajan et al. 2017): they add up to the difference of the two logits.
    """
    names = list(model.encoders)
    inputs = [batch[name].float() for name in names]
    nothing = [model.encoder(name).nothing(x).clone() for name, x in zip(names, inputs, strict=True)]
    # A sensor that has no sample there is at its mean, as the encoder has it.
    inputs = [torch.where(x.isnan(), without, x) for x, without in zip(inputs, nothing, strict=True)]
    lengths = tuple(batch[f"{name}_length"] for name in names)

    def logits(*given: Tensor) -> Tensor:
        seen = {}
        for name, x, length in zip(names, given, given[len(names) :], strict=False):
            made = model.encoder(name).trunk(x, length, model.ends[name])  # the network's own passes no gradient
            seen[f"{name}_trunk"] = made
            seen[f"{name}_trunk_length"] = steps_of(length, x.shape[1], made.shape[2])
        return model.logits(seen)

    found = IntegratedGradients(logits).attribute(
        tuple(inputs), tuple(nothing), target, lengths, n_steps=STEPS, internal_batch_size=4
    )
    return {name: values[0].detach() for name, values in zip(names, found, strict=True)}

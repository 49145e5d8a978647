"""Trunks: what the frozen blocks of an encoder make of each clip, in shards that every run with these blocks reads.

They lie in trunks/MODALITY/KEY/ of a storage: in one folder each clip as it is, in another the varied views of the
training clips. Shapes: V views, C channels, T steps, H, W places.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from datasets import modalities, shards, splits
from datasets.manifest import Manifest
from models.encoders import ENCODERS
from models.spec import EncoderSpec
from orchestrator.plan.spec import RunSpec, dump
from orchestrator.storage.store import Store

if TYPE_CHECKING:
    from torch import Tensor

    from models.encoders.encoder import Encoder

VERSION = 1  # raise it when the content of a trunk changes


@dataclass(frozen=True)
class Trunk:
    """All that decides what one folder holds. With `how`, an Augmentation, it holds the views of these manifest rows,
    else each clip as it is. `recordings` is the digest of the modality's recordings."""

    modality: str
    layout: str
    recordings: str
    input: Any
    encoder: EncoderSpec
    how: Any = None
    rows: tuple[int, ...] | None = None

    @property
    def column(self) -> str:
        """As a batch has it: "depth_frozen", or of varied views "depth_views"."""
        return f"{self.modality}_views" if self.how else f"{self.modality}_frozen"

    @property
    def numbers(self) -> Sequence[int]:
        """The views by number; 0 is the clip as it is."""
        return range(1, self.how.views + 1) if self.how else (0,)

    @property
    def about(self) -> dict[str, Any]:
        """Everything, as plain data. Of an encoder's settings those that change what its frozen blocks give."""
        settings = {name: self.encoder.settings[name] for name in ("weights", "frozen", "precision")}
        rows = None if self.rows is None else hashlib.sha256(json.dumps(self.rows).encode()).hexdigest()[:16]
        return {
            "version": [VERSION, shards.VERSION],
            "layout": self.layout,
            "recordings": self.recordings,
            "input": dump(self.input),
            "encoder": {"name": ENCODERS[self.encoder.name].trunk or self.encoder.name} | settings,
            "augmentation": dump(self.how) if self.how else None,
            "rows": rows,
        }

    def folder(self, storage: Path) -> Path:
        what = json.dumps([self.modality, self.about], sort_keys=True)
        return storage / "trunks" / self.modality / hashlib.sha256(what.encode()).hexdigest()[:16]


def of(manifest: Manifest, spec: RunSpec, modality: str) -> list[Trunk]:
    """What a run reads of a modality whose encoder has frozen blocks; empty where it has none."""
    encoder, how = spec.network.encoders[modality], spec.augmentation.get(modality)
    if not encoder.frozen:
        return []
    digest = manifest.digest_of((modality,))
    own = Trunk(modality, manifest.layout, digest, spec.data.inputs[modality], encoder)
    if not getattr(how, "views", 0):
        return [own]
    rows = training_rows(manifest, spec.data.protocol)
    return [own, Trunk(modality, manifest.layout, digest, own.input, encoder, how, rows)]


def training_rows(manifest: Manifest, protocol: str) -> tuple[int, ...]:
    """Those that any fold of a protocol trains on."""
    folds = splits.folds(manifest, protocol.partition("/")[0])
    return tuple(np.unique(np.concatenate([splits.split(manifest, fold)[0] for fold in folds])).tolist())


def sources(store: Store, manifest: Manifest, spec: RunSpec, modality: str) -> dict[str, shards.Shards]:
    """The shards of a run's trunks by column. Raises ValueError where they aren't there."""
    return {trunk.column: shards.Shards.read(trunk.folder(store.root)) for trunk in of(manifest, spec, modality)}


def compute(trunk: Trunk, encoder: Encoder, row: int, x: Tensor, length: Tensor) -> tuple[Tensor, int]:
    """What the frozen blocks make of the views of one stored clip (1, ...) in float16, (V, C, T, H, W) on the CPU; and
    how many steps are true.

    It follows from the trunk, the manifest row and the clip alone: each view is drawn with a seed of its own and goes
    through by itself, on one thread, since sums depend on a batch's size and on the number of threads.
    """
    import torch

    modality, device, made, steps = modalities.of(trunk.modality), encoder.mean.device, [], torch.zeros(1)
    with _one_thread(), torch.random.fork_rng(devices=[]):
        for number in trunk.numbers:
            seed = int(np.random.default_rng([row, number]).integers(2**62))
            torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed GPUs as well
            seen, kept = modality.see(x, length, trunk.input, trunk.how)
            seen, kept = seen.to(device), kept.to(device)
            found, steps = encoder.stored(modality.arrive(seen, kept, trunk.input), kept, trunk.encoder.frozen)
            if not found.isfinite().all():
                raise ValueError(
                    f"{trunk.modality}.model.frozen {trunk.encoder.settings['frozen']}: what it makes of the clip"
                    f" in row {row} is no number that float16 holds. Freeze another block, or start from other"
                    " --weights."
                )
            made.append(found.cpu().contiguous())
    return torch.cat(made), int(steps)


@contextmanager
def _one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)

"""What a worker reads: the clips of its run, as batches on its device."""

import math
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Literal

import numpy as np
import ray
import torch

from datasets import modalities, shards, splits, stream
from datasets.decoding import Recordings
from datasets.manifest import Manifest
from datasets.stream import Batch
from models.encoders.encoder import Encoder
from models.network import Network
from models.objectives import objective
from orchestrator.plan.rows import hidden_classes
from orchestrator.plan.spec import RunSpec
from orchestrator.storage import trunks
from orchestrator.storage.store import Store
from orchestrator.worker import watchdog
from orchestrator.worker.prefetch import ahead
from orchestrator.worker.transforms import arrived, sent, varied

# A worker's training clips (or a frozen trunk's outputs for them) up to this size are read once and kept in memory.
KEEP_BYTES = 4 << 30


class Reader:
    """This worker's clips as batches on the device: from memory once they are kept there, else from `read`.

    Nothing waits for a GPU: what depends on values is done before a batch goes there, in a thread of its own, and in
    one copy from pinned memory that runs behind the steps before it. Clips that aren't kept are read anew in every
    epoch; the next epoch's reading begins during this one.

    What is kept depends on the run alone, and shards and recordings give the same batches. Of a modality whose encoder
    has blocks that never train it reads what those make of each clip, or computes it from the recordings.
    """

    def __init__(
        self,
        store: Store,
        manifest: Manifest,
        spec: RunSpec,
        device: torch.device,
        read: Literal["shards", "recordings"] = "shards",
        rank: int = 0,
    ):
        self.sources: dict[str, shards.Shards | Recordings] = {}
        self.shapes = {name: modalities.of(name).shape(given) for name, given in spec.data.inputs.items()}
        self.frozen = {name: trunks.of(manifest, spec, name) for name, e in spec.network.encoders.items() if e.frozen}
        self.encoders: dict[str, Encoder] = {}  # theirs
        for name, given in spec.data.inputs.items():
            if name in self.frozen and read == "shards":
                found = trunks.sources(store, manifest, spec, name)
                self.sources |= found
                self.shapes |= {column: tuple(each.stored["shape"]) for column, each in found.items()}
            elif read == "shards":
                self.sources[name] = shards.Shards.read(shards.folder_of(store.root, manifest, name, given))
            else:
                self.sources[name] = Recordings.of(manifest, name, given)
        self.labels, self.spec, self.device, self.rank = splits.labels(manifest), spec, device, rank
        self.views = objective(spec.network.objective).views
        self.datasets: dict[str, ray.data.Dataset] = {}
        self.kept: Batch | None = None
        self.begun: dict[int, Iterator[Batch]] = {}  # epochs whose reading has begun
        # By modality what its trunk, or its frozen blocks, make of a missing recording.
        self.blank: dict[str, Batch] = {}

    def open(self, name: str, rows: np.ndarray) -> None:
        """The rows this worker reads under a name, "train" or "test", of which only the first have varied views.

        Each worker's are a Dataset of its own: nothing is split later.
        """
        read = {k: v for k, v in self.sources.items() if name == "train" or not k.endswith("_views")}
        self.datasets[name] = stream.dataset(read, rows, self.labels, self._bytes_read())

    def keep(self, clips: int, model: Network) -> None:
        """Hold the training clips in memory if they fit; where a trunk is frozen, what it makes of them.

        Where clips vary from epoch to epoch so does what the trunk makes of them, and they are kept as they are.
        """
        model.eval()
        self.encoders = {name: model.encoder(name) for name in self.frozen}
        self.blank = {name: self._missing(name) for name in self.frozen}
        ends = [name for name in model.frozen if not varied(self.spec, name)]
        blank = dict(self.blank)
        for name in ends:
            stored = name in self.frozen
            blank[name] = model.trunk(blank[name], name) if stored else model.blank(self._unseen(name), name)
        if clips * self._bytes_of_clip(blank) > KEEP_BYTES:
            return
        parts: list[Batch] = []
        for batch in self._stored("train", size=16, order=None):
            if ends:
                seen = self.hide(self.to_device(sent(batch, self.spec, vary=False)))
                for name in ends:
                    batch = {k: v for k, v in batch.items() if k != name and not k.startswith(f"{name}_")}
                    batch |= model.trunk(seen, name)
            parts.append({k: v.cpu() for k, v in batch.items()})
        self.kept = {k: torch.cat([part[k] for part in parts]) for k in parts[0]}
        self.blank = blank

    def _unseen(self, name: str) -> torch.Tensor:
        """(1, ...) of what the network sees of a modality, of nothing."""
        return self.to_device(sent(self._padding(name), self.spec, vary=False))[name]

    def _missing(self, name: str) -> Batch:
        """What its frozen blocks make of it."""
        made = self._computed(self._padding(name) | {"row": torch.tensor([0])}, views=False)
        return {k: v.to(self.device) for k, v in made.items() if k != "row"}

    def _padding(self, name: str) -> Batch:
        values, length = modalities.of(name).missing(self.spec.data.inputs[name])
        return {name: torch.from_numpy(values)[None], f"{name}_length": torch.tensor([length])}

    def _computed(self, batch: Batch, views: bool) -> Batch:
        """A batch of recordings with what frozen blocks make of them, as their shards have it."""
        for name in self.frozen.keys() & batch.keys():
            x, length, rows = batch[name], batch[f"{name}_length"], batch["row"].tolist()
            batch = {k: v for k, v in batch.items() if k not in (name, f"{name}_length")}
            for trunk in self.frozen[name][: 2 if views else 1]:
                made, steps = [], []
                for i, row in enumerate(rows):
                    found, true = trunks.compute(trunk, self.encoders[name], row, x[i, None], length[i, None])
                    made.append(found if trunk.how else found[0])
                    steps.append(true)
                    watchdog.sign()
                batch |= {trunk.column: torch.stack(made), f"{trunk.column}_length": torch.tensor(steps)}
        return batch

    def _bytes_read(self) -> int:
        """Of a clip as the sources have it; what frozen blocks make of it is float16."""
        inputs = self.spec.data.inputs
        return sum(
            modalities.of(name).bytes(inputs[name]) if name in inputs else 2 * math.prod(self.shapes[name])
            for name in self.sources
        )

    def _window(self) -> int:
        """How many clips they are shuffled through, which is the same for shards and for recordings."""
        largest = max(self._bytes_of_clip({}), self._bytes_of_clip(self.blank))
        return min(stream.SHUFFLE_CLIPS, stream.SHUFFLE_BYTES // largest)

    def _bytes_of_clip(self, blank: dict[str, Batch]) -> int:
        stored = {name: modalities.of(name).bytes(given) for name, given in self.spec.data.inputs.items()}
        for name, made in blank.items():
            count = sum(len(trunk.numbers) for trunk in self.frozen.get(name, ()))
            trunk = made.get(f"{name}_trunk")
            stored[name] = count * made[f"{name}_frozen"].nbytes if trunk is None else trunk.nbytes
        return sum(stored.values())

    def _stored(self, name: str, size: int, order: int | None) -> Iterator[Batch]:
        """Batches as they are stored or kept, not on the device yet."""
        if self.kept is not None and name == "train":
            found = stream.from_memory(self.kept, size, order)
        else:
            found = stream.batches(self.datasets[name], size, self.shapes, order, self._window())
        for batch in found:
            watchdog.sign()
            yield self._computed(batch, views=name == "train")

    def to_device(self, batch: Batch) -> Batch:
        if self.device.type == "cuda":
            batch = {k: v.pin_memory() for k, v in batch.items()}
        return arrived({k: v.to(self.device, non_blocking=True) for k, v in batch.items()}, self.spec)

    def batches(self, name: str, size: int, order: int | None = None, vary: bool = False) -> Iterator[Batch]:
        """`order` seeds a shuffle; without it they come in manifest order. `vary` as the spec augments."""
        return self._ahead(self._seen(self._stored(name, size, order), name, vary))

    def _ahead(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """On a GPU two are made while it computes. On a CPU the steps use the cores themselves."""
        return ahead(batches, 2) if self.device.type == "cuda" else batches

    def _seen(self, stored: Iterator[Batch], name: str, vary: bool) -> Iterator[Batch]:
        """What the network sees of each batch, on the device."""
        for batch in stored:
            seen = sent(batch, self.spec, vary)
            if name == "train" and self.views > 1:  # alike where nothing varies, as BatchNorm is settled
                again = sent(batch, self.spec, vary)
                seen |= {f"{k}:2": v for k, v in again.items() if k not in ("row", "label")}
            seen = self.to_device(seen)
            seen = self.hide(seen) if name == "train" else seen
            yield self.miss(seen, self.spec.missing) if vary and self.spec.missing else seen

    def hide(self, batch: Batch) -> Batch:
        """A hidden class's clips stay with several modalities, but their starred input is padding: it has no length."""
        if len(self.spec.modalities) > 1:
            for modality, hidden in self.spec.data.hidden.items():
                if f"{modality}_trunk" not in batch:  # of those that are kept it was hidden before
                    lost = torch.isin(batch["label"], batch["label"].new_tensor(hidden))
                    batch = self.without(batch, modality, lost)
        return batch

    def without(self, batch: Batch, modality: str, lost: torch.Tensor) -> Batch:
        """Of the clips that have `lost` it a modality has no length, and a trunk's output is that of padding."""
        name = next(n for n in (f"{modality}_trunk", f"{modality}_frozen", modality) if f"{n}_length" in batch)
        if name != modality:
            rows = lost.reshape(-1, *[1] * (batch[name].dim() - 1))
            batch = batch | {name: torch.where(rows, self.blank[modality][name], batch[name])}
        return batch | {f"{name}_length": batch[f"{name}_length"].masked_fill(lost, 0)}

    def miss(self, batch: Batch, share: float) -> Batch:
        """Of so many clips one modality's input has no length left, either modality's as often.

        A hidden class's clips have lost one already and keep the others: without any of them nothing is to be seen but
        that they are hidden.
        """
        drawn = torch.rand(len(batch["label"])).to(self.device)
        hidden = batch["label"].new_tensor(hidden_classes(self.spec))
        drawn = drawn.masked_fill(torch.isin(batch["label"], hidden), 1.0)
        each = share / len(self.spec.modalities)
        for i, name in enumerate(self.spec.modalities):
            batch = self.without(batch, name, (drawn >= i * each) & (drawn < (i + 1) * each))
        return batch

    def epoch(self, epoch: int, sizes: Sequence[int], vary: bool = True) -> Iterator[Batch]:
        """This worker's share of each global batch of `sizes`, in an order that seed, epoch and rank decide.

        No batch is made beyond them: the draws of an epoch end before those of the next begin.
        """
        return self._ahead(self._seen(islice(self._of_epoch(epoch, sizes), len(sizes)), "train", vary))

    def _of_epoch(self, epoch: int, sizes: Sequence[int]) -> Iterator[Batch]:
        """As they are stored. The next epoch's reading begins when a window is left of this one.

        Where frozen blocks are computed here it doesn't: that seeds torch's global generator, from which the training
        thread draws.
        """
        stored = self.begun.pop(epoch, None) or self._begin(epoch, sizes)
        begins = max(0, len(sizes) - math.ceil(self._window() / self._share(sizes)))
        computed = self.frozen.keys() & self.sources.keys()
        early = self.kept is None and not computed and 1 <= epoch < self.spec.optimization.epochs
        for number, batch in enumerate(stored):
            if early and number == begins:
                self.begun[epoch + 1] = ahead(self._begin(epoch + 1, sizes), 1)
            yield batch

    def _begin(self, epoch: int, sizes: Sequence[int]) -> Iterator[Batch]:
        order = int(np.random.default_rng([self.spec.seed, epoch, self.rank]).integers(2**31))
        return self._stored("train", self._share(sizes), order)

    def _share(self, sizes: Sequence[int]) -> int:
        """How many clips of a global batch are this worker's."""
        return stream.slices(sizes[0], self.spec.workers)[self.rank]

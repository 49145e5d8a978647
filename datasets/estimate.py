"""What decoding a corpus will take, from a few of its clips decoded here and now."""

import io
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from datasets import corpora, modalities, shards
from datasets.decoding import Recordings
from datasets.files import crashes
from datasets.files.bad_file import BadRecordings
from datasets.manifest import Manifest

CLIPS = 8  # spread over the corpus


@dataclass(frozen=True)
class Estimate:
    """Of a whole corpus: bytes of its shards, and seconds of one core to decode it, both from `measured` clips.

    `lengths` has the frames or samples of each modality. `raw_bytes` needs no measuring: what the shards would take if
    nothing in them could be compressed.
    """

    measured: int
    clips: int
    lengths: Mapping[str, int]
    shard_bytes: float
    core_seconds: float
    raw_bytes: int

    def describe(self) -> str:
        hour = 3600 / self.core_seconds
        kinds = {name: f"{modalities.of(name).label} {modalities.of(name).counted}" for name in self.lengths}
        there = ", ".join(f"{count} {kinds[name]}" for name, count in self.lengths.items())
        an_hour = ", ".join(f"{count * hour:.0f} {kinds[name]}" for name, count in self.lengths.items())
        disk = f"{self.shard_bytes / 1e9:.3g} GB on disk (at most {self.raw_bytes / 1e9:.3g} GB, uncompressed)"
        return (
            f"{self.clips} clips, {there}: shards of {disk} and {self.core_seconds / 3600:.3g} core-hours of decoding,"
            f" a core-hour for {self.clips * hour:.0f} clips, {an_hour} (computed from {self.measured} clips decoded"
            " here)"
        )


def estimate(manifest: Manifest, inputs: Mapping[str, Any]) -> Estimate:
    """Decodes CLIPS clips as `sharding.write` would, of each modality with its Input; time goes by their frames or
    samples, bytes by their number."""
    count = manifest.clips.num_rows
    rows = np.unique(np.linspace(0, count - 1, CLIPS).astype(int)).tolist()
    every = [Recordings.of(manifest, name, given) for name, given in inputs.items()]
    for recordings in every:
        # The decoder runs in the user's own process here.
        how = corpora.SUMMARY, recordings.modality, recordings.layout
        if bad := crashes.unread(recordings.root, recordings.files(rows), *how):
            raise BadRecordings(recordings.root, tuple(bad))
    measured = [_measured(recordings, rows) for recordings in every]
    return Estimate(
        len(rows),
        count,
        {name: int(manifest.clips[f"{name}_count"].to_numpy().sum()) for name in inputs},
        sum(size for size, _ in measured) * count / len(rows),
        sum(seconds for _, seconds in measured),
        count * sum(recordings.how.bytes(recordings.input) for recordings in every),
    )


def _measured(recordings: Recordings, rows: list[int]) -> tuple[int, float]:
    """Bytes of these clips' shard, and seconds to decode and write all clips."""
    recordings.table(rows[:1])  # a codec's first clip takes longer
    began, out = time.process_time(), io.BytesIO()
    shards.write_table(recordings.table(rows), out)
    seconds = time.process_time() - began
    lengths = recordings.clips[f"{recordings.modality}_count"].to_numpy()
    return out.getbuffer().nbytes, seconds * float(lengths.sum() / max(1, lengths[rows].sum()))

"""What decoding a corpus will take, from a few of its clips decoded here and now."""

import io
import time
from dataclasses import dataclass

import numpy as np

from datasets import shards
from datasets.files import crashes
from datasets.files.bad_file import BadRecordings
from datasets.manifest import Manifest
from datasets.spec import Sampling
from datasets.videos.video_file import SUMMARY

CLIPS = 8  # spread over the corpus


@dataclass(frozen=True)
class Estimate:
    """Of a whole corpus: bytes of its shards, and seconds of one core to decode it, both from `measured` clips.

    `raw_bytes` needs no measuring: what the shards would take if nothing in them could be compressed.
    """

    measured: int
    clips: int
    frames: int
    shard_bytes: float
    core_seconds: float
    raw_bytes: int

    def describe(self) -> str:
        hour = 3600 / self.core_seconds
        disk = f"{self.shard_bytes / 1e9:.3g} GB on disk (at most {self.raw_bytes / 1e9:.3g} GB, uncompressed)"
        return (
            f"{self.clips} clips, {self.frames} frames: shards of {disk} and {self.core_seconds / 3600:.3g} core-hours"
            f" of decoding, a core-hour for {self.clips * hour:.0f} clips or {self.frames * hour:.0f} frames (computed"
            f" from {self.measured} clips decoded here)"
        )


def estimate(manifest: Manifest, sampling: Sampling) -> Estimate:
    """Decodes CLIPS clips as `shards.write` would; time goes by their frames, bytes by their number."""
    recordings = shards.Recordings.of(manifest, sampling)
    frames = manifest.clips.column("frames").to_numpy()
    rows = np.unique(np.linspace(0, len(frames) - 1, CLIPS).astype(int)).tolist()
    # The decoder runs in the user's own process here.
    if bad := crashes.unread(recordings.root, recordings.videos(rows), SUMMARY):
        raise BadRecordings(recordings.root, tuple(bad))
    recordings.decode(rows[:1])  # a codec's first clip takes longer
    began, out = time.process_time(), io.BytesIO()
    shards.write_table(recordings.decode(rows), out)
    seconds = time.process_time() - began
    return Estimate(
        len(rows),
        len(frames),
        int(frames.sum()),
        out.getbuffer().nbytes * len(frames) / len(rows),
        seconds * float(frames.sum() / frames[rows].sum()),
        len(frames) * (sampling.video_bytes + sampling.imu_bytes),
    )

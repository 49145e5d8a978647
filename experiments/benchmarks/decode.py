"""Recordings to 16 sampled frames of 112x112 a clip, against the codec alone: every frame decoded, none converted."""

import time
from pathlib import Path
from statistics import median

import av

from datasets.videos.decode import decode_video
from experiments.benchmarks.row import Place, Row

CLIPS, ROUNDS = 64, 5


def measure(place: Place) -> list[Row]:
    """In source frames a second of one core's time, the median of rounds in which either went once."""
    clips = place.study.manifest.clips.select(["video", "video_count"]).to_pylist()
    clips = clips[:: max(1, len(clips) // CLIPS)]
    files = [(place.study.manifest.root / clip["video"], clip["video_count"]) for clip in clips]
    total = sum(frames for _, frames in files)
    ours, against = [], []
    for _ in range(ROUNDS):
        began = time.process_time()
        for file, _ in files:
            codec_alone(file)
        between = time.process_time()
        for file, frames in files:
            decode_video(file, 16, frames, 112)
        against.append(total / (between - began))
        ours.append(total / (time.process_time() - between))
    ratio = median(a / b for a, b in zip(ours, against, strict=True))
    return [
        Row("decode", "16 frames of 112x112", median(ours), median(against), "frames/s of a core", ratio, 0.55, True)
    ]


def codec_alone(file: Path) -> None:
    with av.open(str(file)) as container:
        for _ in container.decode(video=0):
            pass

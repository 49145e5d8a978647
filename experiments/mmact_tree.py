"""What reading MMAct takes at its true size: a tree of 8,968 instances, 36,000 short CSVs and 35,000 clips of 1080p.

python experiments/mmact_tree.py DIR     writes the tree, reads it, and prints seconds, peak memory and splits' seconds

python experiments/prepare.py --corpus mmact --recordings DIR/tree --scale paper --storage DIR/storage --dry-run
"""

import itertools
import os
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import av
from av.video.frame import PictureType

from datasets import corpora, splits
from datasets.corpora import mmact
from datasets.signals.mmact_sensors import SENSORS
from datasets.synthetic import mmact as synthetic_mmact

INSTANCES = 8968
DESK_ONLY = "drinking pocket_in pocket_out sitting sitting_down standing_up using_pc".split()
AT_DESK = (*DESK_ONLY, *mmact.AT_DESK)
ELSEWHERE = tuple(name for name in mmact.CLASSES if name not in DESK_ONLY)


def performed() -> Iterator[tuple[int, int, int, str]]:
    """20 subjects, 4 scenes, 5 sessions; subject 8 lacks session 5 of scene 2; cut at the true number."""
    left = INSTANCES
    for subject in range(1, 21):
        for scene in range(1, 5):
            for session in range(1, 6):
                if (subject, scene, session) == (8, 2, 5):
                    continue
                for name in AT_DESK if scene == mmact.DESK else ELSEWHERE:
                    left -= 1
                    if left >= 0:
                        yield subject, scene, session, name


def full_hd(small: Path, out: Path) -> None:
    """The clip as the release has its own: 1920x1080, H.264 at 29.97 fps, keyframes at its start and in its middle."""
    with av.open(str(small)) as source, av.open(str(out), "w") as made:
        frames = list(source.decode(video=0))
        stream = made.add_stream("libx264", rate=source.streams.video[0].average_rate, options={"g": "1000"})
        stream.width, stream.height, stream.pix_fmt = 1920, 1080, "yuv420p"
        for i, frame in enumerate(frames):
            large = frame.reformat(1920, 1080, "yuv420p")
            large.pict_type = PictureType.I if i in (0, len(frames) // 2) else PictureType.NONE
            made.mux(stream.encode(large))
        made.mux(stream.encode())


def write(folder: Path, video: Path, every: int = 1) -> int:
    """Every clip is a hard link to `video`, every CSV has 60 rows; one instance in 13 lacks a camera.

    Of every so many instances one is written.
    """
    rows = "".join(f"20181016_13:37:28.{i:02}2000,0.1,9.8,{i}\n" for i in range(60))
    clips = 0
    for number, (subject, scene, session, name) in enumerate(itertools.islice(performed(), 0, None, every)):
        for sensor in SENSORS:
            path = folder / f"{sensor}_clip/subject{subject}/scene{scene}/session{session}/{name}.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("" if sensor == "gyro" and number % 40 == 0 else rows)
        for camera in range(1, 4 if number % 13 == 0 else 5):
            path = folder / f"trimmed/subject{subject}/cam{camera}/scene{scene}/session{session}/{name}.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            os.link(video, path)
            clips += 1
    return clips


def main(folder: Path) -> None:
    if not folder.exists():
        synthetic_mmact.write(folder / "one", subjects=(1,), scenes=(1,), sessions=(1,))
        full_hd(folder / "one/trimmed/subject1/cam1/scene1/session1/throwing.mp4", folder / "video.mp4")
        print(f"{write(folder / 'tree', folder / 'video.mp4')} clips written")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    began, worked = time.monotonic(), time.process_time()
    manifest = corpora.read("mmact", folder / "tree", folder / "scans", mmact.CORPUS.modalities)
    seconds, worked = time.monotonic() - began, time.process_time() - worked
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"manifest of {manifest.clips.num_rows} clips: {seconds:.1f} s, {worked:.1f} s of CPU,"
        f" {memory:.0f} MB at most ({before:.0f} before)"
    )
    for note in manifest.notes:
        print(note)
    began = time.monotonic()
    corpora.read("mmact", folder / "tree", folder / "scans", mmact.CORPUS.modalities)
    print(f"read again, as remembered: {time.monotonic() - began:.1f} s")
    for protocol in mmact.CORPUS.protocols:
        began = time.monotonic()
        train, _ = splits.split(manifest, protocol)
        labels, instances = splits.labels(manifest), splits.instances(manifest)
        splits.subset(train, labels[train], 0.25, 0, instances[train])
        print(f"{time.monotonic() - began:.3f} s with a quarter of it: {splits.describe(manifest, protocol)}")
    began = time.monotonic()
    print(f"digest {manifest.digest}: {time.monotonic() - began:.2f} s")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

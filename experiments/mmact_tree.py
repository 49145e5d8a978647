"""What reading MMAct takes at its true size: a tree of 8,968 instances and about 35,000 tiny files of each kind.

python experiments/mmact_tree.py DIR     writes the tree, reads it, and prints seconds, peak memory and splits' seconds
"""

import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from datasets import corpora, splits
from datasets.corpora import mmact, synthetic_mmact
from datasets.signals import SENSORS

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


def write(folder: Path, video: bytes) -> int:
    """Every clip has the bytes of `video`, every CSV three rows; one instance in 13 lacks a camera."""
    rows = "".join(f"20181016_13:37:28.{i}12000,0.1,9.8,{i}\n" for i in range(3))
    clips = 0
    for number, (subject, scene, session, name) in enumerate(performed()):
        for sensor in SENSORS:
            path = folder / f"{sensor}_clip/subject{subject}/scene{scene}/session{session}/{name}.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("" if sensor == "gyro" and number % 40 == 0 else rows)
        for camera in range(1, 4 if number % 13 == 0 else 5):
            path = folder / f"trimmed/subject{subject}/cam{camera}/scene{scene}/session{session}/{name}.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(video)
            clips += 1
    return clips


def main(folder: Path) -> None:
    if not folder.exists():
        synthetic_mmact.write(folder / "one", subjects=(1,), scenes=(1,), sessions=(1,))
        video = (folder / "one/trimmed/subject1/cam1/scene1/session1/throwing.mp4").read_bytes()
        print(f"{write(folder / 'tree', video)} clips written")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    began, worked = time.monotonic(), time.process_time()
    manifest = corpora.read("mmact", folder / "tree", folder / "scans")
    seconds, worked = time.monotonic() - began, time.process_time() - worked
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"manifest of {manifest.clips.num_rows} clips: {seconds:.1f} s, {worked:.1f} s of CPU,"
        f" {memory:.0f} MB at most ({before:.0f} before)"
    )
    for note in manifest.notes:
        print(note)
    began = time.monotonic()
    corpora.read("mmact", folder / "tree", folder / "scans")
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

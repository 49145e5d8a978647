"""What prepare holds in memory against the number of MMAct's clips: 2,200, 8,800 and 35,000 small ones.

python experiments/mmact_memory.py DIR [FLAGS OF prepare.py]     writes trees and shards there, and prints each's peak
"""

import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from datasets.synthetic import mmact as synthetic_mmact
from experiments import mmact_tree
from orchestrator.cluster.connect import ROOT

SHARES = (16, 4, 1)


def below(root: int) -> list[int]:
    """The process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            number = int(folder.name)
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(number)
    found = [root]
    for number in found:
        found += children.get(number, [])
    return found


def held(number: int) -> float:
    """Megabytes of a process, of what it shares with others its part (proportional set size); 0 once it ended."""
    with suppress(OSError):
        lines = Path(f"/proc/{number}/smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
    return 0.0


def peak_of(words: list[str], log: Path) -> tuple[float, float, float]:
    """Of a command's own process and of all it starts, in megabytes, looked at twice a second; and its seconds."""
    began, own, everything = time.monotonic(), 0.0, 0.0
    with log.open("w") as out:
        process = subprocess.Popen(words, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT)
        while process.poll() is None:
            each = {number: held(number) for number in below(process.pid)}
            own, everything = max(own, each[process.pid]), max(everything, sum(each.values()))
            time.sleep(0.5)
    if process.returncode:
        raise RuntimeError(f"{' '.join(words)} ended with {process.returncode}:\n{log.read_text()[-3000:]}")
    return own, everything, time.monotonic() - began


def main(folder: Path, flags: list[str]) -> None:
    if not (folder / "one").exists():
        synthetic_mmact.write(folder / "one", subjects=(1,), scenes=(1,), sessions=(1,))
    video = folder / "one/trimmed/subject1/cam1/scene1/session1/throwing.mp4"
    for every in SHARES:
        tree, storage = folder / f"tree-{every}", folder / f"storage-{every}"
        clips = mmact_tree.write(tree, video, every)
        words = [sys.executable, "experiments/prepare.py", "--corpus", "mmact", "--recordings", str(tree)]
        own, everything, seconds = peak_of([*words, "--storage", str(storage), *flags], folder / f"log-{every}")
        print(f"{clips} clips: prepare {own:.0f} MB, with all of Ray {everything:.0f} MB at most, {seconds:.0f} s")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])

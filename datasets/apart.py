"""Files that nobody vouches for, read in processes apart: one that crashes, hangs or swells ends alone, and is named.

python -m datasets.apart is such a process: a line of JSON in, ["video", "FILE"], and one out, {"count": 52}.
"""

import atexit
import json
import os
import queue
import resource
import select
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np

from datasets import decode

MEMORY_BYTES = 2 << 30
# The process itself ends at decode.MAX_SECONDS; this is for one that can't.
MAX_SECONDS = decode.MAX_SECONDS + 30.0


class Reader:
    """One such process, started when it is needed, and again after a file has ended it."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None

    def count(self, kind: str, file: Path, seconds: float = MAX_SECONDS) -> int:
        """Frames of a "video", samples of a signal of the corpus `kind`. Raises ValueError where it can't be read."""
        if self.process and self.process.poll() is not None:
            self.close()
        self.process = process = self.process or _start()
        assert process.stdin and process.stdout
        process.stdin.write(json.dumps([kind, str(file.absolute())]) + "\n")
        process.stdin.flush()
        if not select.select([process.stdout], [], [], seconds)[0]:
            self.close()
            raise ValueError(f"takes more than {seconds:g} s to read")
        line = process.stdout.readline()
        if not line:
            code = process.wait()
            self.close()
            how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            raise ValueError(f"ended the process that read it ({how})")
        answer = json.loads(line)
        if "bad" in answer:
            raise ValueError(answer["bad"])
        return answer["count"]

    def close(self) -> None:
        if self.process:
            self.process.kill()
            self.process.communicate()
            self.process = None


_idle: queue.SimpleQueue[Reader] = queue.SimpleQueue()


def count(kind: str, file: Path, seconds: float = MAX_SECONDS) -> int:
    """`Reader.count` by a process that is free; they are kept until this one ends, for starting one takes a second."""
    try:
        reader = _idle.get_nowait()
    except queue.Empty:
        reader = Reader()
        atexit.register(reader.close)
    try:
        return reader.count(kind, file, seconds)
    finally:
        _idle.put(reader)


def _start() -> subprocess.Popen[str]:
    root = Path(__file__).resolve().parent.parent
    # Threads of a linear algebra library would take its memory; one is enough to read a file.
    env = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-m", "datasets.apart", str(MEMORY_BYTES)]
    pipe = subprocess.PIPE
    return subprocess.Popen(words, cwd=root, env=env, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)


def read(kind: str, file: Path) -> int:
    if kind == "video":
        return decode.count_frames(file)
    from datasets import corpora  # whose files check theirs here

    signal = corpora.signal(kind, file.parent, file.name)
    if not (finite := np.isfinite(signal)).all():
        raise ValueError(f"has {int((~finite).sum())} values that are NaN or infinite")
    return len(signal)


def main(memory: int) -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    for line in sys.stdin:
        kind, file = json.loads(line)
        try:
            answer = {"count": read(kind, Path(file))}
        except MemoryError:
            answer = {"bad": f"takes more than {memory >> 20} MB of memory to read"}
        except (ValueError, OSError) as error:
            answer = {"bad": str(error)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's
    main(int(sys.argv[1]))

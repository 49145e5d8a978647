"""Files that nobody vouches for, read in processes apart: one that crashes, hangs or swells ends alone, and is named.

python -m datasets.files.sandbox is such a process: a line of JSON in, ["MODULE:FUNCTION", "FILE", ...], the function
that reads the file and what else it is given; and one out, the `Found` that it returns.
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
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path

MEMORY_BYTES = 2 << 30
# A video ends by itself at 300 s (datasets/videos/video_file.py:MAX_SECONDS); this is for a process that can't.
MAX_SECONDS = 330.0


@dataclass(frozen=True)
class Found:
    """Of a file that can be read: its frames or samples; of a video its notes by kind and how long it is shown, of a
    signal `units.levels`."""

    count: int
    notes: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    levels: list[list[float]] = field(default_factory=list)


class Reader:
    """One such process, started when it is needed, and again after a file has ended it."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None

    def examine(self, reader: str, file: Path, *given: str, seconds: float = MAX_SECONDS) -> Found:
        """What the function `reader`, as "module:function", finds in the file. Raises ValueError where it can't."""
        if self.process and self.process.poll() is not None:
            self.close()
        self.process = process = self.process or _start()
        assert process.stdin and process.stdout
        process.stdin.write(json.dumps([reader, str(file.absolute()), *given]) + "\n")
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
        return Found(**answer)

    def close(self) -> None:
        if self.process:
            self.process.kill()
            self.process.communicate()
            self.process = None


_idle: queue.SimpleQueue[Reader] = queue.SimpleQueue()


def examine(reader: str, file: Path, *given: str, seconds: float = MAX_SECONDS) -> Found:
    """`Reader.examine` by a process that is free; they are kept until this one ends, for a start takes a second."""
    try:
        process = _idle.get_nowait()
    except queue.Empty:
        process = Reader()
        atexit.register(process.close)
    try:
        return process.examine(reader, file, *given, seconds=seconds)
    finally:
        _idle.put(process)


def _start() -> subprocess.Popen[str]:
    root = Path(__file__).resolve().parents[2]
    # Threads of a linear algebra library would take its memory; one is enough to read a file.
    env = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-m", "datasets.files.sandbox", str(MEMORY_BYTES)]
    pipe = subprocess.PIPE
    return subprocess.Popen(words, cwd=root, env=env, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)


def main(memory: int) -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    for line in sys.stdin:
        reader, file, *given = json.loads(line)
        module, _, function = reader.partition(":")
        try:
            answer = asdict(getattr(import_module(module), function)(Path(file), *given))
        except MemoryError:
            answer = {"bad": f"takes more than {memory >> 20} MB of memory to read"}
        except OSError as error:
            answer = {"bad": f"can't be read ({error.strerror or error})"}
        except ValueError as error:
            answer = {"bad": str(error)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's
    main(int(sys.argv[1]))

"""One driver at a time on a storage: each start leaves a record in starts/, and the last one's is the lock.

A start's number is taken by creating its file, which only one process can, also over NFS, and is never given back; so
nobody has to remove another's lock. While it lives the holder writes its record anew every few seconds. Whoever comes
sees on the same machine whether its process is there, and from another whether the record still changes: no two clocks
are compared. What a start writes into a run folder carries its number, so a process that an earlier start left behind
can't write there any more (`orchestrator/storage/run_folder.py:RunFolder.owned`).
"""

import json
import os
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from datasets.files.atomic import write_whole

BEAT_SECONDS = 5.0
# A holder on another machine is taken for dead when its record hasn't changed for so long.
DEAD_SECONDS = 60.0


@contextmanager
def held(storage: Path, name: str, say: Callable[[str], None], dead_seconds: float = DEAD_SECONDS) -> Iterator[int]:
    """Hold the storage for the experiment `name`; gives the number of this start.

    Raises ValueError where another driver is at work on it. `say` is told what is waited for.
    """
    folder = storage / "starts"
    folder.mkdir(parents=True, exist_ok=True)
    record = {"experiment": name, **here(), "since": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())}
    number = _take(folder, record, say, dead_seconds)
    stop = threading.Event()
    beat = threading.Thread(target=_beat, args=(folder, number, record, stop), daemon=True)
    beat.start()
    try:
        yield number
    finally:
        stop.set()
        beat.join(BEAT_SECONDS)
        with suppress(OSError):  # a full disk; without it this process is soon found to have ended
            _write(folder, number, record | {"ended": time.time()})


def here() -> dict[str, Any]:
    """This process, as others can find it: its host, its number there, and what tells whether that is still it."""
    return {"host": socket.gethostname(), "process": os.getpid(), "place": _place(), "born": _born(os.getpid())}


def _place() -> str:
    """One boot of one machine, and of its containers one: where a process number means one process."""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    return f"{socket.gethostname()} without /proc"


def _born(process: int) -> str | None:
    """When a process began, in ticks since boot; None where there is none, or one that has ended."""
    try:
        words = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if words[0] in "ZX" else words[19]


def _take(folder: Path, record: dict[str, Any], say: Callable[[str], None], dead_seconds: float) -> int:
    while True:
        last = _last(folder)
        if last and _lives(folder, last, say, dead_seconds):
            raise ValueError(_refusal(folder, _read(folder, last), dead_seconds))
        if _create(_file(folder, last + 1), json.dumps(record)):
            return last + 1


def _create(file: Path, text: str) -> bool:
    """Whether this process is the one that made the file. With its content, where the file system knows links."""
    whole = file.with_name(f".{uuid.uuid4().hex[:12]}.part")
    write_whole(whole, text)
    try:
        file.hardlink_to(whole)
    except FileExistsError:
        return False
    except OSError:
        try:
            file.open("x").close()
        except FileExistsError:
            return False
        write_whole(file, text)
    finally:
        whole.unlink()
    return True


def _lives(folder: Path, number: int, say: Callable[[str], None], dead_seconds: float) -> bool:
    holder = _read(folder, number)
    if "ended" in holder:
        return False
    if holder.get("place") == _place() and holder.get("born"):
        return _born(holder["process"]) == holder["born"]
    say(
        f"waiting up to {dead_seconds:g} s to see whether the driver on {holder.get('host', 'an unknown host')}"
        f" (process {holder.get('process', 'unknown')}) that holds {folder.parent} is still alive"
    )
    began = time.monotonic()
    while time.monotonic() - began < dead_seconds:
        time.sleep(min(1.0, dead_seconds / 10))
        now = _read(folder, number)
        if now != holder:
            return "ended" not in now
    return False


def _refusal(folder: Path, holder: dict[str, Any], dead_seconds: float) -> str:
    host, process = holder.get("host", "an unknown host"), holder.get("process", "unknown")
    return (
        f"--storage {folder.parent}: {holder.get('experiment', 'another experiment')} is at work on it since"
        f" {holder.get('since', 'just now')}, on host {host}, process {process}. Wait for its end, end it (Ctrl-C, or"
        f" kill {process} on {host}), or give another --storage. Once it is gone the storage is free: at once on its"
        f" own host, within {dead_seconds:g} s elsewhere."
    )


def _beat(folder: Path, number: int, record: dict[str, Any], stop: threading.Event) -> None:
    beats = 0
    while not stop.wait(BEAT_SECONDS):
        if _file(folder, number + 1).exists():
            # This process was stopped for longer than the others wait. Nothing it still wrote would be kept.
            sys.stderr.write(
                f"error: {folder.parent} was taken over by another driver ({_file(folder, number + 1)} says which),"
                " since this one gave no sign of life; it ends here. What is done is kept.\n"
            )
            sys.stderr.flush()
            os._exit(1)
        beats += 1
        with suppress(OSError):  # a full disk: the next may succeed
            _write(folder, number, record | {"beats": beats})


def _last(folder: Path) -> int:
    return max((int(file.stem) for file in folder.glob("[0-9]*.json")), default=0)


def _file(folder: Path, number: int) -> Path:
    return folder / f"{number:06d}.json"


def _write(folder: Path, number: int, record: dict[str, Any]) -> None:
    write_whole(_file(folder, number), json.dumps(record))


def _read(folder: Path, number: int) -> dict[str, Any]:
    """Empty where its start is just being written, or was cut off there."""
    try:
        found = json.loads(_file(folder, number).read_text())
        return found if isinstance(found, dict) else {}
    except (OSError, ValueError):
        return {}

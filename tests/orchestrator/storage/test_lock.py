"""One driver at a time: who holds a storage, who is dead, and that what an earlier start left behind writes nothing."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest

from orchestrator.storage import lock
from orchestrator.storage.run_folder import TakenOver
from orchestrator.storage.store import Store
from tests.support.runs import specs

ROOT = Path(__file__).parents[3]
SPEC = specs.run("imu")
HOLD = """
import sys, time
from pathlib import Path
from orchestrator.storage import lock
lock.BEAT_SECONDS = 0.1
with lock.held(Path(sys.argv[1]), "full_grid", print) as start:
    print("held", start, flush=True)
    time.sleep(float(sys.argv[2]))
"""


@contextmanager
def holding(storage: Path, seconds: float = 60.0, *wrapped: str) -> Iterator[subprocess.Popen]:
    words = [*wrapped, sys.executable, "-c", HOLD, str(storage), str(seconds)]
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def says(process: subprocess.Popen) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def take(storage: Path, dead_seconds: float = 5.0) -> int:
    with lock.held(storage, "ratio", said.append, dead_seconds) as start:
        return start


said: list[str] = []


@pytest.fixture(autouse=True)
def nothing_said() -> None:
    said.clear()


def record(storage: Path, number: int) -> dict:
    return json.loads((storage / f"starts/{number:06d}.json").read_text())


def test_each_start_has_a_number_and_leaves_a_record(tmp_path: Path) -> None:
    assert [take(tmp_path) for _ in range(3)] == [1, 2, 3]
    assert not said
    for number in (1, 2, 3):
        found = record(tmp_path, number)
        assert (found["experiment"], found["process"]) == ("ratio", os.getpid()) and found["ended"]
    assert len(list((tmp_path / "starts").iterdir())) == 3


def test_the_one_who_comes_second_is_told_who_is_there_and_what_to_do(tmp_path: Path) -> None:
    with holding(tmp_path) as process:
        assert says(process) == "held 1"
        with pytest.raises(ValueError, match=r"full_grid is at work on it since 20\d\d-.* UTC, on host ") as refused:
            take(tmp_path)
        words = str(refused.value)
        assert f"process {process.pid}" in words and f"kill {process.pid}" in words and "another --storage" in words
        assert words.startswith(f"--storage {tmp_path}: ")
        assert not said, "on the same machine nobody waits"


def test_a_holder_that_was_killed_holds_nothing_any_more(tmp_path: Path) -> None:
    with holding(tmp_path) as process:
        assert says(process) == "held 1"
        process.send_signal(signal.SIGKILL)
        # Not waited for: a zombie has ended too.
        while lock._born(process.pid):
            time.sleep(0.01)
        assert take(tmp_path) == 2 and not said
        assert "ended" not in record(tmp_path, 1)


def test_another_process_with_the_number_of_a_dead_one_is_not_it(tmp_path: Path) -> None:
    take(tmp_path)
    found = record(tmp_path, 1)
    del found["ended"]
    lock._write(tmp_path / "starts", 1, found | {"born": "17"})
    assert take(tmp_path) == 2 and not said


def elsewhere(storage: Path, **changed: object) -> None:
    """Make the last record one of another machine."""
    number = lock._last(storage / "starts")
    lock._write(storage / "starts", number, record(storage, number) | {"host": "lab2", "place": "lab2"} | changed)


def test_a_holder_on_another_machine_is_watched_for_a_while(tmp_path: Path) -> None:
    take(tmp_path)
    found = record(tmp_path, 1)
    del found["ended"]
    lock._write(tmp_path / "starts", 1, found)
    elsewhere(tmp_path)
    stop = threading.Event()
    lives = threading.Thread(target=lambda: [elsewhere(tmp_path, beats=n) for n in range(600) if not stop.wait(0.1)])
    lives.start()
    with pytest.raises(ValueError, match="on host lab2"):
        take(tmp_path)
    stop.set()
    lives.join()
    assert take(tmp_path, dead_seconds=0.3) == 2, "it no longer signs"
    assert len(said) == 2 and "waiting up to 0.3 s to see whether the driver on lab2" in said[1]


@pytest.mark.parametrize("content", ["", "{", "[]", "\x00\x00"])
def test_a_record_cut_off_by_a_crash_is_waited_for_once(content: str, tmp_path: Path) -> None:
    (tmp_path / "starts").mkdir()
    (tmp_path / "starts/000007.json").write_text(content)
    assert take(tmp_path, dead_seconds=0.2) == 8
    assert "an unknown host" in said[0]


def test_of_many_that_come_at_once_one_gets_the_storage(tmp_path: Path) -> None:
    code = HOLD.replace("import lock", "import lock\nwhile not Path(sys.argv[3]).exists(): time.sleep(0.001)")
    words = [sys.executable, "-c", code, str(tmp_path), "60", str(tmp_path / "go")]
    started = [
        subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)
    ]
    try:
        time.sleep(0.5)
        (tmp_path / "go").touch()
        lost = []
        while len(lost) < 3:
            lost = [process for process in started if process.poll() is not None]
            time.sleep(0.02)
        assert all("is at work on it" in process.communicate()[1] for process in lost)
        [holder] = [process for process in started if process not in lost]
        assert says(holder) == "held 1"
    finally:
        for process in started:
            process.kill()
            process.communicate()
    assert len(list((tmp_path / "starts").iterdir())) == 1


def test_a_holder_that_was_taken_for_dead_ends(tmp_path: Path) -> None:
    """Stopped, as a laptop that sleeps or a file system that hangs stops it, and taken for one of another machine."""
    with holding(tmp_path) as process:
        assert says(process) == "held 1"
        process.send_signal(signal.SIGSTOP)
        elsewhere(tmp_path)
        assert take(tmp_path, dead_seconds=0.5) == 2
        process.send_signal(signal.SIGCONT)
        assert process.wait(30) == 1
        assert process.stderr and "was taken over by another driver" in process.stderr.read()


def test_a_worker_of_an_earlier_start_writes_nothing_any_more(tmp_path: Path) -> None:
    orphan, now = Store(tmp_path, 1).run(SPEC.key), Store(tmp_path, 2).run(SPEC.key)
    orphan.begin(SPEC)
    orphan.append_history({"epoch": 1})
    orphan.save("checkpoint", {"epoch": 1})
    now.begin(SPEC)
    before = {file.name: file.read_bytes() for file in now.path.iterdir()}
    writes = [
        lambda: orphan.append_history({"epoch": 2}),
        lambda: orphan.cut_history(0),
        lambda: orphan.save("checkpoint", {"epoch": 2}),
        lambda: orphan.write_metrics({"top1": 1.0}),
        lambda: orphan.write_predictions(pa.table({"label": [1]})),
        lambda: orphan.fail("ended", ""),
        lambda: orphan.finish(1.0),
        lambda: orphan.begin(SPEC),
    ]
    for write in writes:
        with pytest.raises(TakenOver, match="start 2 trains it now"):
            write()
    assert {file.name: file.read_bytes() for file in now.path.iterdir()} == before
    now.append_history({"epoch": 2})
    assert [row["epoch"] for row in now.history()] == [1, 2]


def test_a_row_that_two_workers_wrote_counts_once(tmp_path: Path) -> None:
    folder = Store(tmp_path).run(SPEC.key)
    folder.begin(SPEC)
    for epoch in (1, 2, 2, 3, 3, 4):
        folder.append_history({"epoch": epoch})
    assert [row["epoch"] for row in folder.history()] == [1, 2, 3, 4]

"""A worker that makes no step any more ends itself: its run is tried again, instead of waiting for ever.

A process that hangs whole is found by Ray Train (`orchestrator/trial/run.py:TRAIN_ENV`); this finds a training thread
that hangs in a process that still answers: a file system that stopped, a data task that never comes, a lost collective.
"""

import faulthandler
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

# Longer than any step, any set-up and any file that is decoded (330 s).
SECONDS = 600.0

_signed = time.monotonic()


def sign() -> None:
    """Called with every batch that is handed out."""
    global _signed
    _signed = time.monotonic()


@contextmanager
def watched(note: Callable[[str], None], seconds: float = SECONDS) -> Iterator[None]:
    """`note` is told the reason before the process ends; the stacks of all its threads go to its log."""
    sign()
    over = threading.Event()

    def watch() -> None:
        while not over.wait(min(1.0, seconds / 4)):
            if time.monotonic() - _signed > seconds:
                faulthandler.dump_traceback(sys.__stderr__ or 2)
                with suppress(Exception):
                    note(f"a worker made no step for {seconds:g} s")
                os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        over.set()

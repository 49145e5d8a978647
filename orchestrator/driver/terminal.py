"""The terminal that a driver talks to: what it says, how it refuses bad input, and Ctrl-C."""

import io
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console

from datasets.files.atomic import FULL
from orchestrator.cluster import start_errors
from orchestrator.plan import overrides
from orchestrator.storage.redaction import without_secrets

T = TypeVar("T")

# A file's name may hold bytes that are no text: they are shown as escapes.
if isinstance(sys.stdout, io.TextIOWrapper):
    sys.stdout.reconfigure(errors="backslashreplace")
console = Console(soft_wrap=True)


def tell(words: str) -> None:
    console.print(words, markup=False, highlight=False)


def every(step: int, what: str) -> Callable[[int, int], None]:
    """Progress of a preparation: a line each `step` clips, also where they come several at once."""
    told = 0

    def show(done: int, total: int) -> None:
        nonlocal told
        if done // step > told or done == total:
            told = done // step
            console.print(f"  {done} of {total} {what}", highlight=False)

    return show


def reason(error: Exception) -> str:
    """In a sentence."""
    if isinstance(error, OSError) and error.filename is not None and error.errno not in FULL:
        return f"{error.filename}: {error.strerror}. See that {start_errors.whoami()} may read and write it."
    return overrides.reason(error)


def refuse_bad_input(prepare: Callable[[], T]) -> T | int:
    """What `prepare` returns; or, without a traceback, 2 for bad input, 1 for a full disk and 130 for Ctrl-C.

    A file or a folder that can't be read or written is bad input. An OSError of anything else is a bug of ours.
    """
    try:
        return prepare()
    except (ValueError, OSError) as error:
        full = isinstance(error, OSError) and error.errno in FULL
        if isinstance(error, OSError) and not full and error.filename is None:
            raise
        Console(stderr=True, soft_wrap=True).print(
            f"error: {without_secrets(reason(error))}", markup=False, highlight=False
        )
        return 1 if full else 2
    except KeyboardInterrupt:
        console.print("stopped before anything was trained; the same command goes on from here.")
        return 130


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C, or SIGTERM as a scheduler sends it, is a KeyboardInterrupt; the second one ends the process at once."""

    def leave(*_: object) -> None:
        console.show_cursor(True)
        console.print("left at once; the same command goes on from what is done.")
        os._exit(130)

    def stop(*_: object) -> None:
        for number in numbers:
            signal.signal(number, leave)
        raise KeyboardInterrupt

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, stop) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)

"""What fuzzing shares: a read of a file is tried and counted, and may refuse it only by a message that names it.

A small seeded share runs with the other tests; `make fuzz` tries thousands and says how many of each kind and outcome.
FUZZ=500 FUZZ_SEED=1 pytest -s -k fuzzed tests
"""

import faulthandler
import json
import os
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("FUZZ", "20"))
SEED = int(os.environ.get("FUZZ_SEED", "0"))
SECONDS = 30  # of one file; the slowest takes a hundredth of it
MOST_MEMORY = 1 << 30  # that this process may grow by over all files of a module

OUTCOMES: Counter[tuple[str, str]] = Counter()
SLOWEST: dict[str, float] = {}

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
flat = scalars | st.lists(scalars, max_size=4) | st.dictionaries(st.text(max_size=8), scalars, max_size=4)
values = flat | st.lists(flat, max_size=4) | st.dictionaries(st.text(max_size=8), flat, max_size=4)
FIELDS = ["name", "video", "files", "file", "clips", "input", "modality", "kind", "model", "data", "epoch", "start"]
FIELDS += [
    "spec",
    "stage",
    "network",
    "encoders",
    "inputs",
    "modalities",
    "cells",
    "plan",
    "corpus",
    "scale",
    "created",
]
FIELDS += ["runs", "classes", "running", "skipped", "seconds_left", "host"]
ANY_JSON = values | st.dictionaries(st.sampled_from(FIELDS), values, max_size=8)


class Hung(BaseException):
    """Nothing that reads a file catches this."""


def hung(*_: object) -> None:
    raise Hung(f"a file took more than {SECONDS} s")


def fuzz(drawn: dict[str, st.SearchStrategy], check: Callable[..., None]) -> None:
    """`check` with as many draws as asked for, by the seed asked for; the names are those of its arguments."""
    how = settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    seed(SEED)(how(given(**drawn)(check)))()


@contextmanager
def counted() -> Iterator[None]:
    """Says at the end what became of a module's files; raises AssertionError where they left this process too large."""
    import torch  # noqa: F401 its own size is not a file's

    OUTCOMES.clear()
    before, earlier = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, signal.signal(signal.SIGALRM, hung)
    yield
    signal.signal(signal.SIGALRM, earlier)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
    print(f"\n{sum(OUTCOMES.values())} files, seed {SEED}; this process grew by {grown >> 20} MB")
    for (kind, outcome), count in sorted(OUTCOMES.items()):
        print(f"  {kind:12} {outcome:10} {count:6}   slowest {SLOWEST[kind]:.2f} s")
    assert grown < MOST_MEMORY


def tried(kind: str, file: Path, read: Callable[[], object]) -> None:
    """Reads it, or is refused by a ValueError that names it, in time; and writes nothing beside it."""
    before = sorted(file.parent.iterdir())
    began = time.monotonic()
    signal.alarm(SECONDS)
    faulthandler.dump_traceback_later(2 * SECONDS, exit=True, file=sys.__stderr__)  # for what isn't in Python's hands
    try:
        read()
        refused = None
    except ValueError as error:
        refused = str(error)
    finally:
        signal.alarm(0)
        faulthandler.cancel_dump_traceback_later()
    assert refused is None or file.name in refused, f"names no file: {refused}"
    # These are of a few kB: none is decoded until its time is up, and none ends its process.
    assert refused is None or ("takes more than" not in refused and "ended the process" not in refused), refused
    outcome = "read" if refused is None else "refused"
    took = time.monotonic() - began
    SLOWEST[kind] = max(took, SLOWEST.get(kind, 0.0))
    OUTCOMES[kind, outcome] += 1
    left = [path for path in file.parent.iterdir() if path not in before and path.suffix != ".damaged"]
    assert not left, left


def any_json(kind: str, file: Path, read: Callable[[Path], object]) -> None:
    """`fuzz` with JSON that is whole and means nothing, or something else."""

    def each(value: object) -> None:
        file.write_text(json.dumps(value) + "\n")
        tried(f"any {kind}", file, lambda: read(file))

    fuzz({"value": ANY_JSON}, each)

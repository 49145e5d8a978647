"""Where a worker's seconds go, by name."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

# In the order of a run. On a GPU a step is handed over, not waited for: what it takes there shows in the next wait.
PARTS = ("set-up", "data", "steps", "checkpoints", "evaluation")


class Clock:
    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()

    @contextmanager
    def on(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] += time.monotonic() - began  # pyright: ignore[reportArgumentType]

    def waiting(self, name: str, items: Iterable[T]) -> Iterator[T]:
        """The same items; what it takes until each is there counts under `name`."""
        source = iter(items)
        while True:
            with self.on(name):
                item = next(source, None)
            if item is None:
                return
            yield item

    def read(self) -> dict[str, float]:
        return {name: round(float(self.seconds[name]), 3) for name in PARTS}

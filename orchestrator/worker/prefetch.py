"""Values that are made in a thread before they are asked for."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar, cast

T = TypeVar("T")


def ahead(source: Iterator[T], count: int) -> Iterator[T]:
    """What `source` gives, in its order; a thread begins at once and stays `count` values ahead.

    What `source` raises is raised where the value is asked for. The thread ends when nobody holds the iterator.
    """
    thread = ThreadPoolExecutor(1, "prefetch")
    values = _given(thread, source, deque(_asked(thread, source) for _ in range(count)))
    next(values)
    return values


def _asked(thread: ThreadPoolExecutor, source: Iterator[T]) -> Future[list[T]]:
    """One value of `source`, or none after its last."""
    return thread.submit(lambda: list(islice(source, 1)))


def _given(thread: ThreadPoolExecutor, source: Iterator[T], waiting: deque[Future[list[T]]]) -> Iterator[T]:
    """The first value isn't of `source`: a generator from which nothing was taken would leave its thread running."""
    try:
        yield cast(T, None)
        while found := waiting.popleft().result():
            waiting.append(_asked(thread, source))
            yield found[0]
    finally:
        thread.shutdown(cancel_futures=True)

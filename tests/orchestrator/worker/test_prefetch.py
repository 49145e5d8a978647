"""Values made ahead in a thread: their order, what begins when, errors, and leaving early."""

import threading
import time
from collections.abc import Iterator
from itertools import islice

import pytest

from orchestrator.worker.prefetch import ahead


class Counting:
    """Gives 0, 1, ... below `end`, then raises; `made` says how many it gave."""

    def __init__(self, end: int):
        self.end, self.made, self.threads = end, 0, set()

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        self.threads.add(threading.current_thread())
        if self.made == self.end:
            raise ValueError("the file ends here")
        self.made += 1
        return self.made - 1


def settles(source: Counting, made: int) -> None:
    """It is so many, and no more come."""
    deadline = time.monotonic() + 10
    while source.made < made and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    assert source.made == made


def test_values_come_in_order_and_end():
    assert list(ahead(iter(range(50)), 3)) == list(range(50))
    assert list(ahead(iter([None, 0, ""]), 2)) == [None, 0, ""]
    assert list(ahead(iter([]), 2)) == []


def test_a_thread_begins_at_once_and_stays_so_many_ahead():
    source = Counting(100)
    values = ahead(source, 2)
    settles(source, 2)
    assert [next(values), next(values)] == [0, 1]
    settles(source, 4)
    assert threading.current_thread() not in source.threads


def test_an_error_is_raised_where_its_value_is_asked_for():
    values = ahead(Counting(3), 2)
    assert [next(values) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="the file ends here"):
        next(values)


@pytest.mark.parametrize("taken", [0, 1])
def test_leaving_early_ends_the_thread(taken: int):
    source = Counting(100)
    values = ahead(source, 2)
    assert list(islice(values, taken)) == [0][:taken]
    del values
    settles(source, source.made)
    assert not any(thread.is_alive() for thread in source.threads)

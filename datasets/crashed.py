"""Tasks whose process dies, as a decoder that crashes takes it along: Ray Data starts them again for ever.

So a task counts on the disk how often it was begun and not ended; after the first time it reads its files apart before.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from datasets import apart

MOST = 3  # deaths of one task, after which it is given up


@contextmanager
def counted(note: Path) -> Iterator[int]:
    """How often the process of this task has died before. The note stays behind where it dies in here too."""
    with note.open("ab") as file:
        file.write(b".")
        died = file.tell() - 1
    try:
        yield died
    finally:
        note.unlink(missing_ok=True)


def check(videos: Iterable[Path]) -> None:
    """Raises ValueError naming each video that can't be read in a process apart."""
    bad = []
    for video in videos:
        try:
            apart.count("video", video)
        except ValueError as error:
            bad.append(f"{video}: {error}")
    if bad:
        raise ValueError("\n".join(bad))


def check_again(videos: Sequence[Path], died: int) -> None:
    """`check` where the task has died before. Raises ValueError too where it died too often."""
    if died:
        check(videos)
    if died >= MOST:
        raise ValueError(
            f"{videos[0]}: the process that decodes it and what follows was killed or crashed {died} times (out of"
            " memory is a usual cause)."
        )

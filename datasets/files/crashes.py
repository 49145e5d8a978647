"""Tasks whose process dies, as a decoder that crashes takes it along: Ray Data starts them again for ever.

So a task counts on the disk how often it was begun and not ended; after the first time it reads its files apart before.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from datasets.files import sandbox
from datasets.files.bad_file import BadFile

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


def unread(root: Path, videos: Sequence[str], reader: str) -> list[BadFile]:
    """Each video that `reader`, as of `sandbox.examine`, can't read in a process apart."""
    bad = []
    for video in videos:
        try:
            sandbox.examine(reader, root / video)
        except ValueError as error:
            bad.append(BadFile(video, str(error)))
    return bad


def culprits(root: Path, videos: Sequence[str], reader: str, died: int) -> list[BadFile]:
    """What a task that has died before can't read, or its first video where it dies again and again."""
    bad = unread(root, videos, reader) if died else []
    if not bad and died >= MOST:
        why = f"the process that decodes it and what follows was killed or crashed {died} times"
        bad.append(BadFile(videos[0], f"{why} (out of memory is a usual cause)"))
    return bad

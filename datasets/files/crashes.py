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


def unread(root: Path, files: Sequence[str], reader: str, *given: str) -> list[BadFile]:
    """Each file that `reader`, as of `sandbox.examine` with what else it is given, can't read in a process apart."""
    bad = []
    for file in files:
        try:
            sandbox.examine(reader, root / file, *given)
        except ValueError as error:
            bad.append(BadFile(file, str(error).removeprefix(f"{root / file}: ")))
    return bad


def culprits(root: Path, files: Sequence[str], died: int, reader: str, *given: str) -> list[BadFile]:
    """What a task that has died before can't read, or its first file where it dies again and again."""
    bad = unread(root, files, reader, *given) if died else []
    if not bad and died >= MOST:
        why = f"the process that decodes it and what follows was killed or crashed {died} times"
        bad.append(BadFile(files[0], f"{why} (out of memory is a usual cause)"))
    return bad

"""What lies in a folder of recordings, without what operating systems, disks and editors leave there."""

import filecmp
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

# Hidden files are left out too: .DS_Store, ._clip.avi, .ipynb_checkpoints. In small letters, as Windows mixes them.
CLUTTER = frozenset(
    [
        *("thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "system volume information"),  # Windows
        *("__macosx", "icon\r"),  # macOS
        *("@eadir", "#recycle", "#snapshot", "@tmp", "@recently-snapshot"),  # storage in the network
        *("lost+found", "__pycache__"),
    ]
)

NAMED = 5  # files of a kind that a line names; the others are counted


def is_clutter(name: str) -> bool:
    # Windows keeps where a file was downloaded from beside it, as a file once it is copied to another system.
    return name.startswith(".") or name.casefold() in CLUTTER or name.endswith(":Zone.Identifier")


def entries(folder: Path) -> list[Path]:
    """Files and folders in a folder, by name."""
    return sorted(path for path in folder.iterdir() if not is_clutter(path.name))


def walk(folder: Path) -> Iterator[Path]:
    """Every file and folder below a folder, by name; links are followed, each folder is entered once."""
    return _walk(folder, set())


def _walk(folder: Path, entered: set[tuple[int, int]]) -> Iterator[Path]:
    status = folder.stat()
    if (status.st_dev, status.st_ino) in entered:  # a link to a folder that it lies in
        return
    entered.add((status.st_dev, status.st_ino))
    for path in entries(folder):
        yield path
        if path.is_dir():
            yield from _walk(path, entered)


def not_downloaded(folder: Path) -> list[Path]:
    """Files below a folder of which a cloud keeps the content: iCloud leaves a hidden .NAME.icloud in their place."""
    found = []
    for parent, _, names in os.walk(folder):
        found += [
            Path(parent, name[1:].removesuffix(".icloud"))
            for name in names
            if name.startswith(".") and name.endswith(".icloud")
        ]
    return sorted(found)


def stamp(file: Path, root: Path) -> str:
    """A line that stays the same while the file's name, size and time do."""
    status = file.stat() if file.exists() else file.lstat()  # a link to nothing is named by who reads it
    return f"{file.relative_to(root)} {status.st_size} {status.st_mtime_ns}\n"


def seen(folder: Path) -> Iterator[str]:
    """The lines of every file below a folder: while these stay, so does its content."""
    for path in walk(folder):
        if not path.is_dir():
            yield stamp(path, folder)


def is_copy(file: Path, first: Path) -> bool:
    """Whether two files hold the same; False where one can't be read."""
    try:
        return file == first or filecmp.cmp(file, first, shallow=False)
    except OSError:
        return False


def printable(name: str) -> str:
    """A file's name as text of one line: bytes that are no UTF-8, and control characters, as \\xff."""
    return re.sub("[\x00-\x1f\x7f-\x9f\ud800-\udfff]", lambda byte: f"\\x{ord(byte[0]) & 0xFF:02x}", name)


def is_text(name: str) -> bool:
    """Whether a file's name is UTF-8, as every name in a table, a page or a database has to be."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def some(names: Sequence[str]) -> str:
    """The first of many."""
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")

"""Read a file whose size is bounded before memory is given."""

import stat
from pathlib import Path


def read_bounded(file: Path, most: int) -> bytes:
    """Raises ValueError as `check_bounded` does."""
    check_bounded(file, most)
    return file.read_bytes()


def check_bounded(file: Path, most: int) -> None:
    """Raises ValueError for what is no regular file (a pipe would be waited for, for ever) or holds more bytes."""
    status = file.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("is no regular file")
    if status.st_size > most:
        raise ValueError(f"is larger than {most / (1 << 20):.3g} MB")

"""Files that are whole or not there: written under another name first, and named by the error where they can't be."""

import errno
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
JSON_BYTES = 256 << 20


@contextmanager
def writing(file: Path, *, to_disk: bool = True) -> Iterator[Path]:
    """A name to write `file` under; the file gets its own once all of it is on the disk.

    Whatever breaks, what was there before stays and nothing half-written is left. The name is hidden and no other
    process's, on any node. Raises OSError naming the file where the disk is full.
    """
    part = file.with_name(f".{file.name}.{uuid.uuid4().hex[:12]}.part")
    try:
        yield part
        if to_disk:
            with part.open("rb") as written:
                os.fsync(written.fileno())
        part.replace(file)
    except BaseException as error:
        number = _full(error)
        with suppress(OSError):
            part.unlink(missing_ok=True)
        if number:
            words = f"can't be written: {os.strerror(number)}; what was there before is kept. Make room and start again"
            raise OSError(number, words, str(file)) from error
        raise


def _full(error: BaseException | None) -> int | None:
    """The error number of a full disk, a quota or a limit on file sizes, where that is what stopped a writer."""
    if isinstance(error, OSError) and error.errno in FULL:
        return error.errno
    if error is not None and error.__context__ is not None:  # torch raises a RuntimeError over it
        return _full(error.__context__)
    return None


def write_whole(file: Path, text: str) -> None:
    """A reader never sees half a file."""
    with writing(file) as part:
        part.write_text(text, encoding="utf-8")


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object; raises ValueError naming a file that holds none."""
    try:
        if file.stat().st_size > JSON_BYTES:
            raise ValueError(f"it is larger than {JSON_BYTES >> 20} MB")
        found = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError(f"it is a {type(found).__name__}, not an object")
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file}: is damaged, no JSON can be read from it ({error}).") from None
    return found


def remove_parts(folder: Path) -> None:
    """What processes that were killed in the middle of a write have left."""
    for part in folder.glob(".*.part"):
        part.unlink(missing_ok=True)

"""What a file is that is no recording: downloads break off, archives stay packed, links point nowhere."""

from pathlib import Path

BEGINS = {
    b"PK\3\4": "is a zip archive: unpack it",
    b"Rar!": "is a RAR archive: unpack it",
    b"7z\xbc\xaf": "is a 7z archive: unpack it",
    b"\x1f\x8b": "is compressed with gzip: unpack it",
    b"version https://git-lfs": "is a Git LFS pointer, not the file itself: run git lfs pull",
    b"<!doctype html": "is a web page, as a download without a login leaves it: download the file again",
    b"<html": "is a web page, as a download without a login leaves it: download the file again",
}
HEAD_BYTES = 512


def mistaken(file: Path) -> str | None:
    """What it is and what to do; None of a file that may be a recording."""
    if file.is_symlink() and not file.exists():
        return f"is a link to {file.readlink()}, which isn't there"
    if not file.is_file():  # a pipe would be waited for, for ever
        return None
    try:
        with file.open("rb") as content:
            head = content.read(HEAD_BYTES)
    except OSError:
        return None
    if not head:
        return "is empty: copy or download it again"
    if not any(head):
        return "holds zero bytes where it should begin, as a download that broke off leaves them: fetch it again"
    return next((words for begin, words in BEGINS.items() if head.lstrip().lower().startswith(begin.lower())), None)

"""corpus.json: what a folder of recordings says of itself, in the layouts that have one."""

import json
from pathlib import Path

ABOUT_BYTES = 64 << 10


def read(folder: Path, name: str) -> tuple[str, str]:
    """The corpus's name and what its video shows: `name` and RGB without the file. ValueError where it says neither."""
    file = folder / "corpus.json"
    if not file.exists():
        return name, "RGB"
    try:
        if not file.is_file() or file.stat().st_size > ABOUT_BYTES:
            raise ValueError(f"it is no file of at most {ABOUT_BYTES >> 10} kB")
        about = json.loads(file.read_text(encoding="utf-8"))
        return str(about["name"]), str(about["video"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f'{file}: is not of the form {{"name": ..., "video": ...}} ({error}).') from None

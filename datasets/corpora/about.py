"""corpus.json: what a folder of recordings says of itself, in the layouts that have one."""

import json
from collections.abc import Mapping
from pathlib import Path

ABOUT_BYTES = 64 << 10


def read(folder: Path, name: str, shows: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """The corpus's name and what its recordings show, by modality. ValueError where the file doesn't say it.

    `name` and `shows` without the file: {"video": "RGB"}, or {} where no video is read.
    """
    file = folder / "corpus.json"
    if not file.exists():
        return name, dict(shows)
    try:
        if not file.is_file() or file.stat().st_size > ABOUT_BYTES:
            raise ValueError(f"it is no file of at most {ABOUT_BYTES >> 10} kB")
        about = json.loads(file.read_text(encoding="utf-8"))
        return str(about["name"]), {modality: str(about[modality]) for modality in shows}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f'{file}: is not of the form {{"name": ..., "video": ...}} ({error}).') from None

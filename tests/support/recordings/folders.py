"""Reads a folder of recordings as a corpus of this layout."""

from pathlib import Path

from datasets import corpora
from datasets.manifest import Manifest


def read(corpus: str, folder: Path, **how: bool) -> Manifest:
    return corpora.read(corpus, folder, folder.parent / f"scans-{folder.name}", ("imu", "video"), **how)

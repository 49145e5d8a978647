"""The corpora there are, by name; each is one file of this folder."""

from importlib import import_module
from pathlib import Path

from datasets import modalities
from datasets.corpora.corpus import Corpus
from datasets.files.sandbox import Found

SUMMARY = "datasets.corpora.registry:summary"
# Of `--corpus`, by the file of this folder that reads them: a synthetic corpus is written in a real one's layout. A
# Manifest's layout is one of these names too.
CORPORA = {
    "utd-mhad": "utd_mhad",
    "mmact": "mmact",
    "class-folders": "class_folders",
    "synthetic": "utd_mhad",
    "synthetic-mmact": "mmact",
}


def of(name: str) -> Corpus:
    return import_module(f"datasets.corpora.{CORPORA[name]}").CORPUS


def summary(file: Path, modality: str, layout: str) -> Found:
    """Of one file as the corpus reads it, by `sandbox.examine(SUMMARY, file, modality, layout)`."""
    return modalities.of(modality).examine(file, of(layout).source(modality))

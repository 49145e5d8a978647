"""A recording that can't be used, and why; and the error that names all of a corpus."""

from dataclasses import dataclass
from pathlib import Path

from datasets.files.listing import is_text, printable


@dataclass(frozen=True)
class BadFile:
    file: str
    reason: str

    def __post_init__(self) -> None:
        """A name that is no UTF-8 could stand in no table and on no page."""
        if not is_text(self.file + self.reason):
            object.__setattr__(self, "file", printable(self.file))
            object.__setattr__(self, "reason", printable(self.reason))


class BadRecordings(ValueError):
    """Every bad file of a corpus in one message, and what else is to be known, in `more`."""

    def __init__(self, folder: Path, bad: tuple[BadFile, ...], more: str = ""):
        self.bad = bad
        # A line each, whatever a file is called.
        lines = "\n".join(f"  {printable(b.file)}: {printable(b.reason)}" for b in bad)
        way_out = f"Mend or remove them, or go on without them with --skip-bad.{more}"
        super().__init__(f"{len(bad)} bad file(s) in {folder}:\n{lines}\n{way_out}")

"""How a corpus is split, as data. No torch, no ray."""

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Protocol:
    """Which clips train and which are tested, by one column of the Manifest; values in neither are left out."""

    column: str
    train: tuple[int, ...]
    test: tuple[int, ...]
    kind: str
    """What stands beside every score: "cross-subject" where nobody who is tested was trained on."""

"""How a part of a network is named: "models.encoders.cnn:CNN". No torch."""

from functools import cache
from importlib import import_module
from typing import Any


@cache
def part(where: str) -> Any:
    """The class or function that a name leads to."""
    module, _, name = where.partition(":")
    return getattr(import_module(module), name)


def check(field: str, name: str, known: Any, where: str) -> None:
    """Raises ValueError for a part that isn't there."""
    if name not in known:
        raise ValueError(f"{field}={name!r}: there is no such part in {where}, only {', '.join(known)}.")

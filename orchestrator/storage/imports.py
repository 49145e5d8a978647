"""Modules imported in a thread, while what comes before their use waits for other processes."""

from importlib import import_module


def import_ahead(*modules: str) -> None:
    """Import them one after the other: several at once could see one another half made."""
    for module in modules:
        import_module(module)

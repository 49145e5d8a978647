"""MLflow kept up to date beside the training, which waits for none of it, its import of two seconds included."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.storage.store import Store

if TYPE_CHECKING:
    from orchestrator.tracking.tracker import Tracker


class Background:
    """Calls sync for every key of a plan again and again, in a thread; errors are kept for the end, not raised."""

    def __init__(self, make: Callable[[], Tracker], keys: list[str], uri: str = "", patience: float = 60.0):
        self.make, self.keys, self.uri, self.patience = make, keys, uri, patience
        self.tracker: Tracker | None = None
        self.error: str | None = None
        self.last: tuple[str, list[Path], dict[str, int]] | None = None
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._loop, daemon=True)
        self.thread.start()

    def _loop(self) -> None:
        while not self.stop.wait(2.0):
            self.pass_over()
        self.pass_over()

    def pass_over(self) -> None:
        from orchestrator.tracking.errors import explained, of_the_question

        for again in (False, True):
            try:
                tracker = self._sync_all()
                if self.last:
                    tracker.end(*self.last)
                self.error = None
                return
            except Exception as error:  # whatever the tracking server does, training goes on
                self.error = explained(error, self.uri)
                if again or not of_the_question(error):
                    return
                self.tracker = None  # somebody has deleted what it writes to: a new one finds out, or makes it anew

    def _sync_all(self) -> Tracker:
        from orchestrator.tracking.errors import Elsewhere

        self.tracker, without_files = self.tracker or self.make(), None
        for key in list(self.keys):  # a search adds to them
            try:
                self.tracker.sync(key)
            except Elsewhere as error:  # the curves of the other runs are taken all the same
                without_files = error
        if without_files:
            raise without_files
        return self.tracker

    def end(self, status: str, files: list[Path], metrics: dict[str, int]) -> str | None:
        """Log what is left, as long as `patience` lasts (seconds). Returns why MLflow lacks some of it, or None."""
        self.last = (status, files, metrics)
        self.stop.set()
        self.thread.join(self.patience)
        if not self.thread.is_alive():
            return self.error
        return " ".join(filter(None, (f"Not all was logged within {self.patience:g} s.", self.error)))


def follow(uri: str, store: Store, about: dict[str, Any], keys: list[str]) -> Background:
    """Keeps the plan of `about` (as in results.json) up to date in the MLflow at `uri`, a run for each of the keys."""

    def make() -> Tracker:
        from orchestrator.tracking.tracker import Tracker

        return Tracker(uri, store, about)

    return Background(make, keys, uri)

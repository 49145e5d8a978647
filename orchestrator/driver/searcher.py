"""The Ray Tune Searcher that releases a run when its parents are done and it fits beside what is running."""

from contextlib import suppress
from typing import Any

from ray.tune.search.searcher import Searcher

from orchestrator.plan.schedule import Schedule
from orchestrator.storage.store import Store
from orchestrator.trial.failures import RETRIES


class PlanSearcher(Searcher):
    """`None` means wait and is only said while a run is in flight: with none, Tune would wait for ever."""

    def __init__(self, schedule: Schedule, store: Store, config: dict[str, dict[str, Any]], about: dict[str, str]):
        super().__init__(metric="status", mode="max")
        self.schedule, self.store, self.config, self.about = schedule, store, config, about
        self.trials: dict[str, str] = {}

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        while key := self.schedule.next():
            try:
                self.store.run(key).begin(self.schedule.plan.runs[key], self.about)
            except OSError as error:  # a full disk; the rest may still fit, or there is room later
                self.schedule.skipped[key] = f"couldn't be begun: {error}"
                self.schedule.ended(key, done=False)
                continue
            self.trials[trial_id] = key
            return self.config[key]
        return Searcher.FINISHED if self.schedule.finished else None

    def on_trial_complete(self, trial_id: str, result: dict | None = None, error: bool = False) -> None:
        key = self.trials.pop(trial_id, None)
        if key is None:
            return
        folder = self.store.run(key).begun()
        if folder.status == "pending":
            reason = "its trial process ended without a word (killed, out of memory, or the disk is full)"
            with suppress(OSError):
                if folder.tries <= RETRIES:
                    folder.note(reason)
                    return self.schedule.again(key)
                folder.fail(reason, "")
        self.schedule.ended(key, folder.status == "done")

    def save(self, checkpoint_path: str) -> None:
        """Nothing: what is done stands in the run folders."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: see save."""

"""What a storage holds of a plan, looked at before anything is trained: what is damaged is said and done again."""

import zipfile
from collections.abc import Callable
from contextlib import suppress

from orchestrator.plan.plan import Plan
from orchestrator.plan.spec import RunSpec
from orchestrator.storage.metrics import score_run
from orchestrator.storage.run_folder import RunFolder
from orchestrator.storage.store import Store


def recover(plan: Plan, store: Store, say: Callable[[str], None]) -> set[str]:
    """The keys of the runs that are done and whole. A run that isn't whole is no longer done; only it is done again."""
    for key in plan.runs:
        _recover(store.run(key), plan.runs[key], say)
    done, children = store.done(plan.runs), plan.children()
    for key in sorted(done):
        # Weights are read whole only where a run will start from them: a grid at paper scale has gigabytes.
        if any(child not in done for child in children[key]):
            recover_run(store.run(key), plan.runs[key], say)
    return store.done(plan.runs)


def recover_run(folder: RunFolder, spec: RunSpec, say: Callable[[str], None]) -> None:
    """One run, its weights too."""
    _recover(folder, spec, say)
    if folder.status == "done":
        _unless_whole(folder, spec, say, lambda: _weights(folder))


def _recover(folder: RunFolder, spec: RunSpec, say: Callable[[str], None]) -> None:
    status = folder.status
    if status == "done":
        _recover_spec(folder, spec, say)
    if folder.status == "done":
        _unless_whole(folder, spec, say, lambda: _look(folder, spec))
    elif (folder.path / "checkpoint.pt").exists():
        try:
            if folder.record("spec") and folder.spec != spec:
                raise ValueError(f"{folder.path / 'spec.json'}: holds the spec of another run, and its checkpoint too.")
            checkpoint = folder.load("checkpoint") or {}
            if len(folder.history()) < checkpoint["epoch"]:
                raise ValueError(f"{folder.path / 'history.jsonl'}: lacks epochs that its checkpoint has behind it.")
        except (KeyError, ValueError) as error:
            say(f"{spec.name} ({folder.key}) was cut off and starts from its first epoch again: {error}")
            (folder.path / "checkpoint.pt").unlink()
    elif status == "failed":
        try:
            folder.record("failed")
        except ValueError:  # it is tried again anyhow
            (folder.path / "failed.json").unlink()


def _recover_spec(folder: RunFolder, spec: RunSpec, say: Callable[[str], None]) -> None:
    try:
        found = folder.spec
    except (OSError, ValueError) as error:
        say(f"{spec.name} ({folder.key}): its spec is written again: {error}")
        folder.begin(spec)
        return
    if found != spec:
        file = folder.path / "spec.json"
        _do_again(folder, spec, say, ValueError(f"{file}: holds the spec of another run, and what lies beside it too."))


def _look(folder: RunFolder, spec: RunSpec) -> None:
    """Raises ValueError naming what of a done run can't be read."""
    if "seconds" not in folder.record("done"):
        raise ValueError(f"{folder.path / 'done.json'}: is damaged, it doesn't say how long the run took.")
    if len(folder.history()) < spec.optimization.epochs:
        raise ValueError(f"{folder.path / 'history.jsonl'}: lacks epochs.")
    if not zipfile.is_zipfile(folder.path / "model.pt"):
        raise ValueError(f"{folder.path / 'model.pt'}: is missing or cut off.")
    if not spec.classifies:
        return
    predictions = folder.predictions()
    if not {"clip", "label", "predicted", "probabilities"}.issubset(predictions.column_names) or not len(predictions):
        raise ValueError(f"{folder.path / 'predictions.parquet'}: holds no predictions.")
    try:
        whole = {"top1", "k", "n"} <= folder.record("metrics").keys()
    except ValueError:
        whole = False
    if not whole:
        folder.write_metrics(score_run(folder))  # they follow from the predictions


def _weights(folder: RunFolder) -> None:
    if "model" not in (folder.load("model") or {}):
        raise ValueError(f"{folder.path / 'model.pt'}: holds no weights.")


def _unless_whole(folder: RunFolder, spec: RunSpec, say: Callable[[str], None], look: Callable[[], None]) -> None:
    try:
        look()
    except (OSError, ValueError) as error:
        _do_again(folder, spec, say, error)


def _do_again(folder: RunFolder, spec: RunSpec, say: Callable[[str], None], error: Exception) -> None:
    say(f"{spec.name} ({folder.key}) was done and is trained again: {error}")
    (folder.path / "done.json").unlink()
    with suppress(OSError):
        folder.note(f"was done, and then damaged: {error}")

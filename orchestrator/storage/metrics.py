"""Test metrics as the paper reports them (section 4.3): top-1, top-5, macro F1.

Beside them k of n; top-1 of seen and of hidden classes and the harmonic mean of the two; what is left of a top-1
without some of its modalities; where performances have several views, how many of them a performance has among the test
clips on average.
"""

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from orchestrator.storage.run_folder import RunFolder


def lacking(modalities: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """What may be missing of several modalities, all but one at most, by its name in predictions and metrics."""
    names = tuple(modalities)
    missing = [of for count in range(1, len(names)) for of in combinations(names, count)]
    return {f"without_{'_'.join(of)}": of for of in missing}


def score_run(folder: RunFolder) -> dict[str, Any]:
    """The metrics of a run from its predictions."""
    table = folder.predictions()
    hidden = sorted({label for classes in folder.spec.data.hidden.values() for label in classes})
    labels = table["label"].to_numpy()
    result = score(labels, np.stack(table["probabilities"].to_numpy()), hidden)
    if "instance" in table.column_names:
        result |= {"views": len(labels) / len(table["instance"].unique())}
    for missing in (name for name in table.column_names if name.startswith("without_")):
        right = table[missing].to_numpy() == labels
        result |= {f"top1_{missing}": float(right.mean()), f"k_{missing}": int(right.sum())}
        result |= {f"n_{missing}": len(labels)}
    return result


def score(labels: np.ndarray, probabilities: np.ndarray, hidden: Sequence[int] = ()) -> dict[str, Any]:
    """labels (N,), probabilities (N, K) -> fractions of 1; k of n are right. `hidden` are classes hidden in training.

    F1 is the mean over the classes among the test labels. Ties rank by class number.
    """
    from sklearn.metrics import f1_score  # takes 1.5 s of a core to import

    order = np.argsort(-probabilities, axis=1, kind="stable")
    right = order[:, 0] == labels
    found = (order[:, :5] == labels[:, None]).any(axis=1)
    f1 = f1_score(labels, order[:, 0], labels=np.unique(labels), average="macro", zero_division=0.0)  # pyright: ignore
    result: dict[str, Any] = {"top1": float(right.mean()), "top5": float(found.mean()), "f1": float(f1)}
    result |= {"k": int(right.sum()), "n": len(labels)}
    is_hidden = np.isin(labels, list(hidden))
    for name, part in (("seen", ~is_hidden), ("hidden", is_hidden)):
        if hidden and part.any():
            result |= {f"top1_{name}": float(right[part].mean())}
            result |= {f"k_{name}": int(right[part].sum()), f"n_{name}": int(part.sum())}
    both = harmonic(result.get("top1_seen"), result.get("top1_hidden"))
    return result if both is None else result | {"harmonic": both}


def harmonic(seen: float | None, hidden: float | None) -> float | None:
    if seen is None or hidden is None:
        return None
    return 2 * seen * hidden / (seen + hidden) if seen + hidden else 0.0

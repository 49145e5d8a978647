"""Who trains and who is tested: pure functions of a Manifest, by row number."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from datasets.manifest import Manifest


@dataclass(frozen=True)
class Protocol:
    name: str
    train_subjects: tuple[int, ...]
    test_subjects: tuple[int, ...]

    def describe(self, manifest: Manifest) -> str:
        train, test = split(manifest, self.name)
        subjects = set(manifest.clips.column("subject").to_pylist())
        sides = (
            f"subjects {', '.join(str(s) for s in side if s in subjects)}"
            for side in (self.train_subjects, self.test_subjects)
        )
        a, b = sides
        return f"cross-subject ({self.name}): {a} train ({len(train)} clips), {b} test ({len(test)} clips)"


# The paper, section 4.1, and the data set's own paper (Chen et al., ICIP 2015).
PROTOCOLS = {"odd-even": Protocol("odd-even", (1, 3, 5, 7), (2, 4, 6, 8))}


def split(manifest: Manifest, protocol: str) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the training and of the test clips, in manifest order."""
    p = PROTOCOLS[protocol]
    subject = manifest.clips.column("subject").to_numpy()
    train, test = (np.flatnonzero(np.isin(subject, side)) for side in (p.train_subjects, p.test_subjects))
    if not len(train) or not len(test):
        raise ValueError(
            f"{manifest.root}: protocol {protocol} needs training subjects {p.train_subjects} and test subjects"
            f" {p.test_subjects}; the recordings have {sorted(set(subject.tolist()))}."
        )
    return train, test


def labels(manifest: Manifest) -> np.ndarray:
    return manifest.clips.column("label").to_numpy()


def subset(rows: np.ndarray, labels_of_rows: np.ndarray, ratio: float, seed: int) -> np.ndarray:
    """The share `ratio` of `rows`, stratified by class; for one seed a smaller ratio's rows are in a larger one's.

    Each class keeps its share, rounded, and at least one clip (section 4.5; the stratification is ours).
    """
    if not 0 < ratio <= 1:
        raise ValueError(f"ratio={ratio}: a training ratio is above 0 and at most 1.")
    rng = np.random.default_rng([seed, 25])
    kept = []
    for k in np.unique(labels_of_rows):
        members = rng.permutation(rows[labels_of_rows == k])
        kept.append(members[: max(1, round(ratio * len(members)))])
    return np.sort(np.concatenate(kept))


def hidden_classes(classes: Sequence[int] | np.ndarray, count: int, seed: int) -> tuple[int, ...]:
    """`count` of the labels in `classes`, drawn with `seed`; nested: the one is among the three, those in the five."""
    present = np.unique(np.asarray(classes))
    if not 0 <= count < len(present):
        raise ValueError(f"{count} hidden classes: the training clips have {len(present)} classes, one must stay.")
    drawn = np.random.default_rng([seed, 27]).permutation(present)[:count]
    return tuple(sorted(int(k) for k in drawn))


def without(rows: np.ndarray, labels_of_rows: np.ndarray, hidden: Sequence[int]) -> np.ndarray:
    """`rows` less the clips of hidden classes."""
    return rows[~np.isin(labels_of_rows, np.asarray(hidden, dtype=labels_of_rows.dtype))]

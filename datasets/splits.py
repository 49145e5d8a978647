"""Who trains and who is tested: pure functions of a Manifest, by row number."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from datasets.manifest import Manifest


@dataclass(frozen=True)
class Protocol:
    """Which clips train and which are tested, by one column of the Manifest; values in neither are left out."""

    column: str
    train: tuple[int, ...]
    test: tuple[int, ...]
    kind: str  # what stands beside every score


PROTOCOLS = {
    # The paper, section 4.1, and the data set's own paper (Chen et al., ICIP 2015).
    "odd-even": Protocol("subject", (1, 3, 5, 7), (2, 4, 6, 8), "cross-subject"),
    "even-odd": Protocol("subject", (2, 4, 6, 8), (1, 3, 5, 7), "cross-subject"),
    # Some published UTD-MHAD numbers are of this kind, which is easier: every tested person was trained on.
    "trials": Protocol("trial", (1, 2), (3, 4), "same subjects"),
}
# Folds of one subject each, named "leave-one-subject-out/5": 5 is tested, all others train.
LEAVE_ONE_OUT = "leave-one-subject-out"
# The same among a protocol's training subjects, to choose recipes by. "odd-even-validation/5": 1, 3 and 7 train.
VALIDATION = "-validation"


def folds(manifest: Manifest, name: str) -> tuple[str, ...]:
    """The names of a protocol's splits: itself, or one for each subject that is left out in turn."""
    if name in PROTOCOLS:
        return (name,)
    return tuple(f"{name}/{subject}" for subject in left_out(manifest, name))


def left_out(manifest: Manifest, name: str) -> list[int]:
    """The subjects that take their turn in a protocol of several folds."""
    subjects = set(manifest.clips.column("subject").to_pylist())
    if name.endswith(VALIDATION):
        subjects &= set(PROTOCOLS[name.removesuffix(VALIDATION)].train)
    return sorted(subjects)


def split(manifest: Manifest, protocol: str) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the training and of the test clips, in manifest order; `protocol` names one fold."""
    name, _, fold = protocol.partition("/")
    if fold:
        tested = int(fold)
        others = tuple(subject for subject in left_out(manifest, name) if subject != tested)
        p = Protocol("subject", others, (tested,), "cross-subject")
    else:
        p = PROTOCOLS[name]
    values = manifest.clips.column(p.column).to_numpy()
    train, test = (np.flatnonzero(np.isin(values, side)) for side in (p.train, p.test))
    if not len(train) or not len(test):
        raise ValueError(
            f"{manifest.root}: protocol {protocol} needs training {p.column}s {p.train} and test {p.column}s {p.test};"
            f" the recordings have {sorted(set(values.tolist()))}."
        )
    return train, test


def describe(manifest: Manifest, name: str) -> str:
    """A protocol in words, as it stands beside each score."""
    if name not in PROTOCOLS:
        subjects = left_out(manifest, name)
        clips = sum(len(split(manifest, fold)[1]) for fold in folds(manifest, name))
        which = f"training subjects of {name.removesuffix(VALIDATION)}" if name.endswith(VALIDATION) else "subjects"
        listed = ", ".join(map(str, subjects))
        return (
            f"cross-subject ({name}): each of the {which}, {listed}, tested once by what the others of them trained;"
            f" mean of {len(subjects)} folds ({clips} clips)"
        )
    p = PROTOCOLS[name]
    there = set(manifest.clips.column(p.column).to_pylist())
    rows = split(manifest, name)
    sides = [
        f"{p.column}s {', '.join(str(v) for v in side if v in there)} {verb} ({len(part)} clips)"
        for side, verb, part in ((p.train, "train", rows[0]), (p.test, "test", rows[1]))
    ]
    return f"{p.kind} ({name}): {', '.join(sides)}"


def subjects_tested(manifest: Manifest, protocol: str) -> set[int]:
    """Of one fold."""
    subjects = manifest.clips.column("subject").to_numpy()
    return set(subjects[split(manifest, protocol)[1]].tolist())


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

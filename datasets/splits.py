"""Who trains and who is tested: pure functions of a Manifest, by row number."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from datasets import corpora
from datasets.manifest import Manifest
from datasets.spec import Protocol

# Folds of one subject each, named "leave-one-subject-out/5": 5 is tested, all others train.
LEAVE_ONE_OUT = "leave-one-subject-out"
# The same among what a protocol trains on, to choose recipes by. "odd-even-validation/5": 1, 3 and 7 train.
VALIDATION = "-validation"


def protocols(manifest: Manifest) -> Mapping[str, Protocol]:
    """The corpus's own, by name."""
    return corpora.of(manifest.layout).protocols


def default(manifest: Manifest) -> str:
    return next(iter(protocols(manifest)))


def check(manifest: Manifest, name: str) -> None:
    """Raises ValueError for a protocol that isn't one of this corpus."""
    known = protocols(manifest)
    if name not in (*known, LEAVE_ONE_OUT, *(own + VALIDATION for own in known)):
        listed = ", ".join((*known, LEAVE_ONE_OUT))
        raise ValueError(
            f"--protocol {name}: {manifest.corpus} knows {listed}, and for choosing a recipe PROTOCOL{VALIDATION}."
        )


def _varied(manifest: Manifest, name: str) -> Protocol:
    """The protocol of which a protocol of several folds is made."""
    known = protocols(manifest)
    if name == LEAVE_ONE_OUT:
        return Protocol("subject", (), (), "cross-subject")
    return known[name.removesuffix(VALIDATION)]


def folds(manifest: Manifest, name: str) -> tuple[str, ...]:
    """The names of a protocol's splits: itself, or one for each subject (session, scene, view) that is left out."""
    check(manifest, name)
    if name in protocols(manifest):
        return (name,)
    return tuple(f"{name}/{value}" for value in left_out(manifest, name))


def left_out(manifest: Manifest, name: str) -> list[int]:
    """The subjects (sessions, scenes, views) that take their turn in a protocol of several folds."""
    p = _varied(manifest, name)
    values = set(np.unique(manifest.clips.column(p.column).to_numpy()).tolist())
    return sorted(values & set(p.train) if name.endswith(VALIDATION) else values)


def split(manifest: Manifest, protocol: str) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the training and of the test clips, in manifest order; `protocol` names one fold."""
    name, _, fold = protocol.partition("/")
    check(manifest, name)
    p = _varied(manifest, name)
    if fold:
        p = replace(p, train=tuple(v for v in left_out(manifest, name) if v != int(fold)), test=(int(fold),))
    values = manifest.clips.column(p.column).to_numpy()
    train, test = (np.flatnonzero(np.isin(values, side)) for side in (p.train, p.test))
    if not len(train) or not len(test):
        named = _named(manifest, p.column)
        raise ValueError(
            f"{manifest.root}: protocol {protocol} needs training {named} {p.train} and test {named} {p.test};"
            f" the recordings have {np.unique(values).tolist()}."
        )
    return train, test


def unused(manifest: Manifest, name: str) -> str | None:
    """Which clips a protocol puts on neither side, in a sentence; None where it uses all."""
    if name == LEAVE_ONE_OUT:
        return None
    p = _varied(manifest, name)
    values = manifest.clips.column(p.column).to_numpy()
    outside = ~np.isin(values, (*p.train, *p.test))
    if not outside.any():
        return None
    listed = ", ".join(map(str, np.unique(values[outside]).tolist()))
    named = _named(manifest, p.column)
    return (
        f"{outside.sum()} of {len(values)} clips, of {named} {listed}, are on neither side of protocol {name}: they are"
        " not used"
    )


def _named(manifest: Manifest, column: str) -> str:
    return "sessions" if column == "trial" and manifest.layout == "mmact" else f"{column}s"


def describe(manifest: Manifest, name: str) -> str:
    """A protocol in words, as it stands beside each score."""
    p = _varied(manifest, name)
    named = _named(manifest, p.column)
    if name not in protocols(manifest):
        values = left_out(manifest, name)
        clips = sum(len(split(manifest, fold)[1]) for fold in folds(manifest, name))
        which = f"training {named} of {name.removesuffix(VALIDATION)}" if name.endswith(VALIDATION) else named
        listed = ", ".join(map(str, values))
        return (
            f"{p.kind} ({name}): each of the {which}, {listed}, tested once by what the others of them trained;"
            f" mean of {len(values)} folds ({clips} clips)"
        )
    there, ids = np.unique(manifest.clips.column(p.column).to_numpy()).tolist(), instances(manifest)
    sides = []
    for side, verb, rows in zip((p.train, p.test), ("train", "test"), split(manifest, name), strict=True):
        count = len(np.unique(ids[rows]))
        of = f" of {count} instances" if count < len(rows) else ""
        sides.append(f"{named} {', '.join(str(v) for v in side if v in there)} {verb} ({len(rows)} clips{of})")
    return f"{p.kind} ({name}): {', '.join(sides)}"


def instances(manifest: Manifest) -> np.ndarray:
    """Of each clip the performance it shows, by number: its views share it. Without views each clip is its own."""
    if "instance" in manifest.clips.column_names:
        return manifest.clips.column("instance").to_numpy()
    return np.arange(manifest.clips.num_rows)


def subjects_tested(manifest: Manifest, protocol: str) -> set[int]:
    """Of one fold."""
    subjects = manifest.clips.column("subject").to_numpy()
    return set(subjects[split(manifest, protocol)[1]].tolist())


def labels(manifest: Manifest) -> np.ndarray:
    return manifest.clips.column("label").to_numpy()


def subset(
    rows: np.ndarray, labels_of_rows: np.ndarray, ratio: float, seed: int, instances_of_rows: np.ndarray | None = None
) -> np.ndarray:
    """The share `ratio` of `rows`, stratified by class; for one seed a smaller ratio's rows are in a larger one's.

    Each class keeps its share of instances, with all their views, rounded, and at least one (section 4.5; the
    stratification is ours).
    """
    if not 0 < ratio <= 1:
        raise ValueError(f"ratio={ratio}: a training ratio is above 0 and at most 1.")
    rng = np.random.default_rng([seed, 25])
    of_rows = rows if instances_of_rows is None else instances_of_rows
    kept = []
    for k in np.unique(labels_of_rows):
        members = rng.permutation(np.unique(of_rows[labels_of_rows == k]))
        kept.append(members[: max(1, round(ratio * len(members)))])
    return np.sort(rows[np.isin(of_rows, np.concatenate(kept))])


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

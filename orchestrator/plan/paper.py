"""What the paper prints: Table 1's hyperparameters and Table 2's scores, as data and nothing else."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

CORPORA = ("UTD-MHAD", "MMAct")
MODALITIES = {"imu", "video"}
FUSION = "imu+video"  # a model is named by the modalities that it reads
PROTOCOLS = {"UTD-MHAD": "odd-even", "MMAct": "cross-subject"}  # by our names of them

# Table 1. Optimizer, schedule and epochs are not stated.
TABLE1: dict[str, dict[str, dict[str, float]]] = {
    "UTD-MHAD": {
        "imu": {"lr": 1e-4, "weight_decay": 1e-6, "batch": 128},
        "video": {"lr": 1e-3, "weight_decay": 1e-5, "batch": 16},
        "fusion": {"lr": 5e-4, "weight_decay": 5e-6, "batch": 16},
    },
    "MMAct": {
        "imu": {"lr": 5e-3, "weight_decay": 5e-5, "batch": 256},
        "video": {"lr": 1e-3, "weight_decay": 1e-5, "batch": 20},
        "fusion": {"lr": 1e-4, "weight_decay": 1e-6, "batch": 18},
    },
}


def _row(method: str, data: str, utd: tuple, mmact: tuple, model: str | None = None) -> dict[str, Any]:
    scores = {
        corpus: dict(zip(("top1", "top5", "f1"), printed, strict=True))
        for corpus, printed in zip(CORPORA, (utd, mmact), strict=True)
    }
    return {"method": method, "data": data, "model": model, **scores}


_NONE = (None, None, None)

# Table 2, per cent as printed (top-1, top-5, F1), None where it prints "-"; `model` marks the paper's own rows.
TABLE2: list[dict[str, Any]] = [
    _row("HAMLET", "Video + Skeleton + Sensor", (95.12, None, None), _NONE),
    _row("MuMu", "Video + Depth + Skeleton + Sensor", (97.6, None, None), (None, None, 76.28)),
    _row("CMC-CMKM", "Skeleton + Sensor", (97.21, None, None), (84.05, None, None)),
    _row("VSKD + DASK", "Video + Sensor", (96.97, None, 96.38), (None, None, 65.83)),
    _row("VSKD", "Sensor", (94.87, None, None), (None, None, 61.38)),
    _row("IMU only", "Sensor", (85.42, 97.14, 85.44), (64.28, 90.57, 65.45), "imu"),
    _row("Video only", "Video", (74.76, 95.14, 74.09), (71.89, 94.92, 72.86), "video"),
    _row("IMU + Video", "Video + Sensor", (96.05, 100.0, 96.05), (84.05, 98.96, 84.78), FUSION),
]

# What the methods' authors print of UTD-MHAD, in per cent, and by which protocol: its name where it is one of ours, and
# its conditions in words. Where each was found: the docstrings of models/methods.
_OF_323 = ("odd-even", "odd-even; subjects 1, 3 and 5 train, 323 clips, and subject 7 picks the epoch")
_SAME_PEOPLE = ("trials", "trials 1 and 2 of each person train, 3 and 4 are tested; the best epoch on the tested clips")
REPORTED: dict[str, tuple[float, str, str]] = {
    "hamlet": (
        95.12,
        "leave-one-subject-out",
        "leave-one-subject-out, RGB video and skeleton, without inertial signals",
    ),
    "mumu": (97.6, "", "not stated; no count of 430 clips gives it: probably a mean over subjects left out"),
    "simclr-imu": (72.09, *_OF_323),
    "simclr-skeleton": (95.11, *_OF_323),
    "cmkm-supervised": (97.21, *_OF_323),
    "cmc": (96.04, *_OF_323),
    "cmc-cmkm": (97.67, *_OF_323),
    "vskd-student": (94.87, *_SAME_PEOPLE),
    "vskd-dask": (96.97, *_SAME_PEOPLE),
}

# Section 4.6: points of accuracy a single modality loses with x classes hidden (UTD-MHAD; nothing is said of x = 3).
ZERO_SHOT_DROP = {"imu": {1: 2, 5: 14}, "video": {1: 4, 5: 12}}

# Section 4.5: points of accuracy the fused model loses with a quarter of the training data, on either corpus.
QUARTER_DROP = 10


def corpus_of(name: str) -> str | None:
    """The paper's name for a corpus, from ours, which may add what its video shows: "UTD-MHAD (depth video)"."""
    return next((corpus for corpus in CORPORA if f"{name} ".lower().startswith(f"{corpus} ".lower())), None)


def comparable(corpus: str, shows: Mapping[str, str | None], protocol: str, read: Iterable[str]) -> bool:
    """Whether the paper's scores may stand beside ours: corpus, protocol and modalities are its, and video in colour.

    `read` is all that a plan is about, so all that its fusion reads.
    """
    name = corpus_of(corpus)
    same = set(read) == MODALITIES and shows.get("video") == "RGB"
    return same and name is not None and protocol == PROTOCOLS[name]


def unlike(corpus: str, shows: Mapping[str, str | None], protocol: str, read: Sequence[str]) -> str | None:
    """Why a number of the paper's on a model that reads these modalities is none for this data; None where it is."""
    name = corpus_of(corpus)
    if name is None:
        return "the paper has no number of this corpus"
    if protocol != PROTOCOLS[name]:
        return f"protocol {protocol}, the number is of {PROTOCOLS[name]}"
    video = shows.get("video")
    return None if "video" not in read or video == "RGB" else f"{video} video, the number is of RGB"


def printed(corpus: str, model: str) -> dict[str, float] | None:
    """Fractions of 1 for the paper's own row of Table 2; None where the paper prints nothing for this corpus."""
    name = corpus_of(corpus)
    row = next((row for row in TABLE2 if row["model"] == model), None)
    return {metric: value / 100 for metric, value in row[name].items()} if name and row else None


def reported(corpus: str, method: str, read: Sequence[str], protocol: str) -> dict[str, Any] | None:
    """What is printed of a method that reads these modalities: per cent, the protocol in words, and whether `protocol`
    is the same one. The paper's own rows see colour video. None where nothing is printed for this corpus."""
    if corpus_of(corpus) != "UTD-MHAD":
        return None
    if method == "paper":
        frames = next((m for m in ("depth", "video") if m in read), None)
        own = printed(corpus, "+".join(sorted("video" if m == frames else m for m in read)))
        words = "odd-even" + ", RGB video" * bool(frames)
        return {"top1": 100 * own["top1"], "of": words, "same": protocol == "odd-even"} if own else None
    top1, theirs, words = REPORTED.get(method.removesuffix("-tuned"), (None, "", ""))
    if top1 is None or (method.startswith("hamlet") and "imu" in read):
        return None
    return {"top1": top1, "of": words, "same": protocol == theirs}


def gap(corpus: str, model: str) -> float | None:
    """Points of top-1 by which the paper's fusion is above a single modality; None where it prints nothing."""
    fused, single = printed(corpus, FUSION), printed(corpus, model)
    return 100 * (fused["top1"] - single["top1"]) if fused and single else None


def best_of_others(corpus: str) -> dict[str, tuple[str, float]]:
    """By metric the best of the methods that aren't the paper's own, with its figure as printed, per cent."""
    found = {}
    for metric in ("top1", "top5", "f1"):
        rows = [row for row in TABLE2 if row["model"] is None and row[corpus][metric] is not None]
        if rows:
            best = max(rows, key=lambda row: row[corpus][metric])
            found[metric] = (best["method"], best[corpus][metric])
    return found


def with_less(corpus: str, model: str) -> dict[float, float]:
    """Figure 2's top-1 as the text gives it, per cent by share of the training data: its plot has no values."""
    row = printed(corpus, model)
    whole = {100.0: 100 * row["top1"]} if row else {}
    return whole | ({25.0: whole[100.0] - QUARTER_DROP} if whole and model == FUSION else {})


def with_hidden(corpus: str, model: str) -> dict[float, float]:
    """Figure 3's top-1 as the text gives it, per cent by number of hidden classes; none of the fusions."""
    row = printed(corpus, model) if corpus_of(corpus) == "UTD-MHAD" else None
    return {float(x): 100 * row["top1"] - drop for x, drop in ZERO_SHOT_DROP.get(model, {}).items()} if row else {}

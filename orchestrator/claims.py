"""The paper's claims one by one: its figure, ours with its interval, and whether it holds on this data."""

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator import paper
from orchestrator.paired import Difference, Right, difference
from orchestrator.scores import (
    Results,
    at_ratio,
    bar_label,
    comparable,
    hidden_counts,
    modality,
    model_label,
    ratios,
    variant,
    zero_shot,
)

HOLDS, FAILS, OPEN, UNTESTABLE = "holds", "does not hold", "not told apart", "not testable on this data"
NOT_PRINTED = "not tested on this data set"
NO_BREAK = "\u00a0"

NOTE = (
    "Differences are between the same test clips, with a 95 % interval from a bootstrap over clips and the chance of"
    " such a difference between equals (McNemar's exact test with one seed, the bootstrap's with several). “Holds” is"
    " an interval that lies wholly above nothing, or contains the paper's number. Clips of one person are alike: with"
    " other people the intervals would be wider."
)

At = tuple[str, Difference | None]  # at which ratio or count, and what came out


@dataclass(frozen=True)
class Claim:
    text: str
    paper: str
    ours: str
    verdict: str
    runs: tuple[str, ...] = ()  # keys of those behind it


def table2(results: Results, right: Right) -> list[Claim]:
    """Section 4.4 and the abstract."""
    claims = []
    fused = modality(results, "fusion")
    for model in ("imu", "video"):
        text = f"{model_label(results, 'fusion')} is above {model_label(results, model)}"
        found = [("", difference(fused, modality(results, model), right))]
        claims.append(_better(text, _printed_gap(results, model), found))
    return [*claims, two_stages(results, right)]


def two_stages(results: Results, right: Right) -> Claim:
    """The paper's title and conclusion."""
    text, theirs = "Training in two stages makes the fused model better", "not tested by the paper either"
    one, two = variant(results, "stages", "one-stage"), variant(results, "stages", "")
    if not one:
        return Claim(text, theirs, "", _untestable("this plan; see experiments/stage_ablation.py"))
    return _better(text, theirs, [("", difference(two, one, right))])


def ratio(results: Results, right: Right) -> list[Claim]:
    """Sections 4.4 and 4.5."""
    fused, shares = model_label(results, "fusion"), ratios(results)
    drop = difference(at_ratio(results, "fusion", 0.25), modality(results, "fusion"), right)
    text = f"{fused}, 25 % of the training data against all of it"
    claims = [_about(results, text, f"about −{paper.QUARTER_DROP}", [("", drop, -paper.QUARTER_DROP)])]
    for model in ("imu", "video"):
        found = [
            (f"{100 * r:g} %", difference(at_ratio(results, "fusion", r), at_ratio(results, model, r), right))
            for r in shares
            if r < 1
        ]
        text = f"{fused} is above {model_label(results, model)} with less data"
        claims.append(_better(text, "significantly better", found))
    return claims


def hiding(results: Results, right: Right) -> list[Claim]:
    """Section 4.6. The paper prints no value of Figure 3, only these."""
    counts = hidden_counts(results)
    tested = paper.corpus_of(results["corpus"]) != "MMAct"  # of MMAct the paper has no such result

    def against(these: tuple[str, str], those: tuple[str, str]) -> list[At]:
        pairs = {x: (zero_shot(results, *these, x), zero_shot(results, *those, x)) for x in counts}
        return [(str(x), difference(a, b, right)) for x, (a, b) in pairs.items()]

    claims = []
    for model, drops in (paper.ZERO_SHOT_DROP if tested else {model: {} for model in paper.ZERO_SHOT_DROP}).items():
        base = modality(results, model)
        found = [(str(x), difference(zero_shot(results, model, model, x), base, right), drops.get(x)) for x in counts]
        theirs = _listed([(str(x), f"−{points}") for x, points in drops.items()]) or NOT_PRINTED
        text = f"{bar_label(results, model, model)} against nothing hidden"
        claims.append(_about(results, text, theirs, [(at, d, None if v is None else -v) for at, d, v in found]))
    for star in ("imu", "video"):
        text = f"{bar_label(results, 'fusion', star)} is above {bar_label(results, star, star)}"
        said = "significantly better" if tested else NOT_PRINTED
        claims.append(_better(text, said, against(("fusion", star), (star, star))))
    text = f"{bar_label(results, 'fusion', 'imu')} is above {bar_label(results, 'fusion', 'video')}"
    return [
        *claims,
        _better(text, "better" if tested else NOT_PRINTED, against(("fusion", "imu"), ("fusion", "video"))),
    ]


def _better(text: str, theirs: str, found: Sequence[At]) -> Claim:
    """A is above B where the whole interval is above nothing."""
    verdicts = [(at, HOLDS if d.low > 0 else FAILS if d.high < 0 else OPEN) for at, d in found if d]
    return Claim(text, theirs, _listed([(at, d.text) for at, d in found if d]), _verdict(verdicts), _runs(found))


def _about(
    results: Results, text: str, theirs: str, found: Sequence[tuple[str, Difference | None, int | None]]
) -> Claim:
    """A number of the paper's holds where the interval contains it; only of the same corpus and video."""
    ours, runs = _listed([(at, d.text) for at, d, _ in found if d]), _runs([(at, d) for at, d, _ in found])
    if not comparable(results) and ours:
        return Claim(text, theirs, ours, _untestable(f"{results['video']} video, the number is of RGB"), runs)
    if ours and all(v is None for *_, v in found):
        return Claim(text, theirs, ours, _untestable("the paper has no number for it"), runs)
    verdicts = [(at, HOLDS if d.low <= v <= d.high else FAILS) for at, d, v in found if d and v is not None]
    return Claim(text, theirs, ours, _verdict(verdicts), runs)


def _runs(found: Sequence[At]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(key for _, d in found if d for key in d.keys))


def _verdict(verdicts: list[tuple[str, str]]) -> str:
    """One word where they agree; else which at which."""
    words = list(dict.fromkeys(word for _, word in verdicts))
    if len(words) <= 1:
        return words[0] if words else _untestable("results missing")
    return "; ".join(f"{word}: {', '.join(at for at, w in verdicts if w == word)}" for word in words)


def _untestable(why: str) -> str:
    return f"{UNTESTABLE} ({why})"


def _printed_gap(results: Results, model: str) -> str:
    fused, single = (paper.printed(results["corpus"], name) for name in ("fusion", model))
    return f"+{100 * (fused['top1'] - single['top1']):.2f}" if fused and single else "significantly better"


def _listed(points: list[tuple[str, str]]) -> str:
    return (
        "; ".join(f"{at}: {text}" if at else text for at, text in points)
        .replace(" ", NO_BREAK)
        .replace(f";{NO_BREAK}", "; ")
    )

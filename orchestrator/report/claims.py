"""The paper's claims one by one: its figure, ours with its interval, and whether it holds on this data."""

from orchestrator.plan import paper
from orchestrator.plan.paper import FUSION
from orchestrator.report import paired
from orchestrator.report.labels import Results, bar_label, model_label, own
from orchestrator.report.paired import Right, difference
from orchestrator.report.scores import (
    at_ratio,
    hidden_counts,
    modality,
    ratios,
    variant,
    zero_shot,
)
from orchestrator.report.verdicts import (
    SLIGHTLY,
    WIDE,
    At,
    Claim,
    about,
    beside_others,
    better,
    conditions,
    listed,
    other,
    reaches,
)

NOT_PRINTED = "not tested on this data set"
ELSEWHERE = "not in this plan: experiments/stage_ablation.py"

NOTE = (
    f"{paired.NOTE} “A is above B” holds where the whole"
    " interval is above 0 and p is below 0.05 (“drops”: below 0). A difference of the paper's holds where our interval"
    " contains it and doesn't contain 0. A score of the paper's holds where our score's interval (over seeds or over"
    " clips, whichever reaches further) lies above it or contains it. An interval wider than"
    f" {WIDE:g} points tells neither."
)


def all_of(results: Results, right: Right) -> dict[str, list[Claim]]:
    """By the part of the report that they belong to; none of a plan on other modalities than the paper's."""
    if own(results) != paper.MODALITIES:
        return {"table2": [], "ratio": [], "zero_shot": []}
    parts = {"table2": table2(results, right), "ratio": ratio(results, right), "zero_shot": hiding(results, right)}
    return {name: [conditions(results, claim) for claim in claims] for name, claims in parts.items()}


def table2(results: Results, right: Right) -> list[Claim]:
    """Table 2's scores, section 4.4, the abstract and the conclusion."""
    claims = []
    for model in ("imu", "video", FUSION):
        if printed := paper.printed(results["corpus"], model):
            claims.append(reaches(results, f"{model_label(results, model)}: top-1", model, 100 * printed["top1"]))
    fused, unlike = modality(results, FUSION), other(results, FUSION)
    for model in ("imu", "video"):
        text, gap = (
            f"{model_label(results, FUSION)} is above {model_label(results, model)}",
            paper.gap(results["corpus"], model),
        )
        theirs = "significantly better" if gap is None else f"+{gap:.2f}"
        found = [("", difference(fused, modality(results, model), right))]
        claims.append(better(text, theirs, found, None if unlike else gap))
    return [*claims, *others(results), two_stages(results, right)]


def others(results: Results) -> list[Claim]:
    """Section 4.4. Most of the others see more than video and signals, and not all are of the same split."""
    corpus = paper.corpus_of(results["corpus"])
    if corpus is None:
        return []
    slightly_below, fused = corpus == "UTD-MHAD", model_label(results, FUSION)
    said = (
        f"slightly below the best other method (by {SLIGHTLY:g} points at most)"
        if slightly_below
        else "comparable to the best other method or better"
    )
    text = f"{fused} is {said}"
    return [beside_others(results, text, FUSION, paper.best_of_others(corpus), slightly_below)]


def two_stages(results: Results, right: Right) -> Claim:
    """The paper's title and conclusion."""
    text, theirs = "Training in two stages makes the fused model better", "not tested by the paper either"
    one, two = variant(results, "stages", "one-stage"), variant(results, "stages", "")
    if not one:
        return Claim(text, theirs, "", ELSEWHERE)
    return better(text, theirs, [("", difference(two, one, right))])


def ratio(results: Results, right: Right) -> list[Claim]:
    """Sections 4.4 and 4.5."""
    fused, shares = model_label(results, FUSION), ratios(results)
    drop = difference(at_ratio(results, FUSION, 0.25), modality(results, FUSION), right)
    text = f"{fused}, 25 % of the training data against all of it"
    found = [("", drop, -float(paper.QUARTER_DROP))]
    claims = [about(results, text, f"about −{paper.QUARTER_DROP}", found, FUSION)]
    for model in ("imu", "video"):
        found = [
            (f"{100 * r:g} %", difference(at_ratio(results, FUSION, r), at_ratio(results, model, r), right))
            for r in shares
            if r < 1
        ]
        text = f"{fused} is above {model_label(results, model)} with less data"
        claims.append(better(text, "significantly better", found))
    return claims


def hiding(results: Results, right: Right) -> list[Claim]:
    """Section 4.6. The paper prints no value of Figure 3, only these; of MMAct it has no such result."""
    tested = paper.corpus_of(results["corpus"]) != "MMAct"
    said = "significantly better" if tested else NOT_PRINTED

    def against(these: tuple[str, str], those: tuple[str, str]) -> list[At]:
        pairs = {x: (zero_shot(results, *these, x), zero_shot(results, *those, x)) for x in hidden_counts(results)}
        return [(str(x), difference(a, b, right)) for x, (a, b) in pairs.items()]

    claims = [_drop(results, model, right, tested) for model in ("imu", "video")]
    claims += [_fusion_drops(results, star, right, tested) for star in ("imu", "video")]
    for star in ("imu", "video"):
        for model in (star, {"imu": "video", "video": "imu"}[star]):
            text = f"{bar_label(results, FUSION, star)} is above {bar_label(results, model, model)}"
            claims.append(better(text, said, against((FUSION, star), (model, model))))
    text = f"{bar_label(results, FUSION, 'imu')} is above {bar_label(results, FUSION, 'video')}"
    last = better(text, "better" if tested else NOT_PRINTED, against((FUSION, "imu"), (FUSION, "video")))
    return [*claims, last]


def _drop(results: Results, model: str, right: Right, tested: bool) -> Claim:
    """What a single modality loses, against the paper's points."""
    drops = paper.ZERO_SHOT_DROP[model] if tested else {}
    base = modality(results, model)
    found = []
    for x in hidden_counts(results):
        lost = -float(drops[x]) if x in drops else None
        found.append((str(x), difference(zero_shot(results, model, model, x), base, right), lost))
    theirs = listed([(str(x), f"−{points}") for x, points in drops.items()]) or NOT_PRINTED
    return about(results, f"{bar_label(results, model, model)} against nothing hidden", theirs, found, model)


def _fusion_drops(results: Results, star: str, right: Right, tested: bool) -> Claim:
    """The paper has no number of it."""
    whole, text = modality(results, FUSION), f"{bar_label(results, FUSION, star)} drops too"
    found = [(str(x), difference(zero_shot(results, FUSION, star, x), whole, right)) for x in hidden_counts(results)]
    return better(text, "drops" if tested else NOT_PRINTED, found, below=True)

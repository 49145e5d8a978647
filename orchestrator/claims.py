"""The paper's claims about Figures 2 and 3, its number (or its words) beside ours, in points of top-1."""

from statistics import fmean, stdev

from orchestrator import paper
from orchestrator.scores import (
    Cell,
    Results,
    at_ratio,
    bar_label,
    hidden_counts,
    modality,
    model_label,
    ratios,
    zero_shot,
)

Claim = tuple[str, str, str]  # the claim, the paper's, ours
NO_BREAK = "\u00a0"


def ratio(results: Results) -> list[Claim]:
    """Sections 4.4 and 4.5."""
    fused, shares = model_label(results, "fusion"), ratios(results)
    claims = [
        (
            f"{fused}, 25 % of the training data against all of it",
            f"about −{paper.QUARTER_DROP}",
            _gap(at_ratio(results, "fusion", 0.25), modality(results, "fusion")),
        )
    ]
    for model in ("imu", "video"):
        ours = {f"{100 * r:g} %": _gap(at_ratio(results, "fusion", r), at_ratio(results, model, r)) for r in shares}
        claims.append((f"{fused} against {model_label(results, model)}", _printed_gap(results, model), _listed(ours)))
    return claims


def hiding(results: Results) -> list[Claim]:
    """Section 4.6. The paper prints no value of Figure 3, only these."""
    counts = hidden_counts(results)

    def against(these: tuple[str, str], those: tuple[str, str]) -> str:
        pairs = {str(x): _gap(zero_shot(results, *these, x), zero_shot(results, *those, x)) for x in counts}
        return _listed(pairs)

    claims = []
    for model, drops in paper.ZERO_SHOT_DROP.items():
        base = modality(results, model)
        ours = {str(x): _gap(zero_shot(results, model, model, x), base) for x in counts}
        theirs = _listed({str(x): f"−{points}" for x, points in drops.items()})
        claims.append((f"{bar_label(results, model, model)} against nothing hidden", theirs, _listed(ours)))
    for star in ("imu", "video"):
        name = f"{bar_label(results, 'fusion', star)} against {bar_label(results, star, star)}"
        claims.append((name, "significantly better", against(("fusion", star), (star, star))))
    name = f"{bar_label(results, 'fusion', 'imu')} against {bar_label(results, 'fusion', 'video')}"
    return [*claims, (name, "better", against(("fusion", "imu"), ("fusion", "video")))]


def _printed_gap(results: Results, model: str) -> str:
    fused, single = (paper.printed(results["corpus"], name) for name in ("fusion", model))
    if not (fused and single):
        return "significantly better"
    return f"100 %: +{100 * (fused['top1'] - single['top1']):.2f}; less data: significantly better"


def _listed(points: dict[str, str]) -> str:
    return "; ".join(f"{at}: {text}".replace(" ", NO_BREAK) for at, text in points.items())


def _gap(these: list[Cell], those: list[Cell], metric: str = "top1") -> str:
    """Points between two results, paired by seed: "+3.26" or "+3.26 ± 0.40"; "–" where no seed has both."""
    by_seed = {cell["seed"]: cell.get(metric) for cell in those}
    pairs = [(cell.get(metric), by_seed.get(cell["seed"])) for cell in these]
    points = [100 * (this - that) for this, that in pairs if this is not None and that is not None]
    if not points:
        return "–"
    text = f"{fmean(points):+.2f}" + (f" ± {stdev(points):.2f}" if len(points) > 1 else "")
    return text.replace("-", "−")

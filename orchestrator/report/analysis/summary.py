"""What a report opens with: how the paper's claims came out, the best result, what was trained and how long it took."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from orchestrator.report.analysis import costs
from orchestrator.report.labels import Cell, Results, model_label, models, read_by
from orchestrator.report.paired import Difference, Right, difference
from orchestrator.report.scores import Score, modality, score, values
from orchestrator.report.verdicts import FAILS, HOLDS, OPEN, UNTESTABLE, Claim

MIXED, UNKNOWN = "holds in part", "no result in this plan"
# As the page counts them, in this order: of one claim and of several.
COUNTED = {
    HOLDS: ("holds", "hold"),
    MIXED: ("holds in part", "hold in part"),
    FAILS: ("does not hold", "do not hold"),
    OPEN: ("is not told apart", "are not told apart"),
    UNTESTABLE: ("is not testable on this data", "are not testable on this data"),
    UNKNOWN: ("has no result in this plan", "have no result in this plan"),
}
NAMED = (HOLDS, MIXED, FAILS)  # of which the claims are listed


@dataclass(frozen=True)
class Best:
    """The model whose mean top-1 is highest, beside the best model of one modality; `of` is how many were compared."""

    label: str
    top1: Score
    of: int
    single: str = ""
    gap: Difference | None = None  # to `single`


def by_verdict(claims: Mapping[str, Sequence[Claim]]) -> dict[str, list[Claim]]:
    """The claims of all parts of the report by how they came out, in the order of `COUNTED`."""
    found: dict[str, list[Claim]] = {name: [] for name in COUNTED}
    for claim in (claim for part in claims.values() for claim in part):
        found[_kind(claim.verdict)].append(claim)
    return {name: those for name, those in found.items() if those}


def _kind(verdict: str) -> str:
    """A verdict may differ by ratio or count, as in "holds: 1, 3; not told apart: 5"."""
    told = [word for part in verdict.split("; ") for word in (HOLDS, FAILS, OPEN, UNTESTABLE) if part.startswith(word)]
    if len(set(told)) > 1:
        return MIXED if HOLDS in told else FAILS if FAILS in told else OPEN
    return told[0] if told else UNKNOWN


def best(results: Results, right: Right) -> Best | None:
    """None where no model has a score yet."""
    found = {model: cells for model in models(results) if values(cells := modality(results, model), "top1")}
    if not found:
        return None
    first = max(found, key=lambda model: _mean(found[model]))
    text, top1 = model_label(results, first), score(found[first], "top1")
    alone = [model for model in found if len(read_by(model)) == 1]
    if first in alone or not alone:
        return Best(text, top1, len(found))
    single = max(alone, key=lambda model: _mean(found[model]))
    gap = difference(found[first], found[single], right)
    return Best(text, top1, len(found), model_label(results, single), gap)


def _mean(cells: list[Cell]) -> float:
    return fmean(values(cells, "top1"))


def trained(results: Results) -> list[tuple[str, int, float]]:
    """By stage and modalities: how many runs are done, and their seconds together."""
    done: dict[str, list[float]] = {}
    for run in results["runs"].values():
        if run["status"] == "done":
            label = costs.stage_label(results, run["kind"], run["modalities"])
            done.setdefault(label, []).append(run["seconds"] or 0.0)
    return [(label, len(seconds), sum(seconds)) for label, seconds in done.items()]

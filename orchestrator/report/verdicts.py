"""A claim of the paper, and whether it holds here: by the sign of a difference, or by a number of the paper's."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from orchestrator.plan import paper
from orchestrator.report.labels import Cell, Results, read_by
from orchestrator.report.paired import Difference
from orchestrator.report.scores import ends_of, modality, over_clips, values

HOLDS, FAILS, OPEN, UNTESTABLE = "holds", "does not hold", "not told apart", "not testable on this data"
MISSING = "no result yet"
WIDE = 10.0  # points from end to end: a score's interval that is wider and has the paper's in it tells nothing
NO_BREAK = "\u00a0"
SLIGHTLY = 2.0  # points: the paper calls itself slightly below others, and is so by 1.55 at most

At = tuple[str, Difference | None]  # at which ratio or count, and what came out


@dataclass(frozen=True)
class Claim:
    text: str
    paper: str
    ours: str
    verdict: str
    runs: tuple[str, ...] = ()  # keys of those behind it


def better(text: str, theirs: str, found: Sequence[At], size: float | None = None, below: bool = False) -> Claim:
    """A is above B (or below it) where the whole interval is and p < 0.05. `size` is the paper's difference."""
    verdicts = [(at, _told(d, size, below)) for at, d in found if d]
    return Claim(text, theirs, listed([(at, d.text) for at, d in found if d]), _verdict(verdicts), _runs(found))


def _told(d: Difference, size: float | None, below: bool) -> str:
    holds, fails = (d.high < 0, d.low > 0) if below else (d.low > 0, d.high < 0)
    if d.p >= 0.05:
        return OPEN
    if not holds or size is None:
        return HOLDS if holds else FAILS if fails else OPEN
    if d.low <= size <= d.high:
        much = "and by as much: {:.2f} lies in our interval" if d.high - d.low <= WIDE else "by how much isn't told"
        return f"{HOLDS}, {much.format(size)}"
    return f"{HOLDS}, but by {d.points:.2f} ({d.low:.2f} to {d.high:.2f}), not {size:.2f}"


def about(
    results: Results, text: str, theirs: str, found: Sequence[tuple[str, Difference | None, float | None]], model: str
) -> Claim:
    """A number of the paper's holds where the interval contains it, not 0 as well, and isn't wide.

    Only where `model` sees what the paper's sees.
    """
    ours = listed([(at, d.text) for at, d, _ in found if d])
    claim = Claim(text, theirs, ours, "", _runs([(at, d) for at, d, _ in found]))
    if ours and (why := other(results, model)):
        return replace(claim, verdict=untestable(why))
    if ours and all(v is None for *_, v in found):
        return replace(claim, verdict=untestable("the paper has no number for it"))
    verdicts = [(at, _has(d, v)) for at, d, v in found if d and v is not None]
    return replace(claim, verdict=_verdict(verdicts))


def _has(d: Difference, figure: float) -> str:
    if not d.low <= figure <= d.high:
        return FAILS
    return OPEN if d.low <= 0 <= d.high or d.high - d.low > WIDE else HOLDS


def reaches(results: Results, text: str, model: str, figure: float) -> Claim:
    """A top-1 of the paper's, per cent, holds where our interval lies above it, or contains it and isn't wide."""
    cells = modality(results, model)
    ends = _ends(cells, "top1")
    if not ends:
        return Claim(text, f"{figure:.2f}", "", MISSING)
    inside = OPEN if ends[1] - ends[0] > WIDE else HOLDS
    told = f"{HOLDS}, ours is above it" if ends[0] > figure else inside if ends[1] >= figure else FAILS
    why = other(results, model)
    return Claim(text, f"{figure:.2f}", _mean(cells, "top1"), untestable(why) if why else told, _keys(cells))


def beside_others(
    results: Results, text: str, model: str, best: dict[str, tuple[str, float]], slightly_below: bool
) -> Claim:
    """Our model against the best method of Table 2 by each metric, as printed, per cent.

    Slightly below: the interval ends below the best, by two points at most. Comparable or better: it reaches the best.
    """
    cells = modality(results, model)
    names = {"top1": "top-1", "top5": "top-5", "f1": "F1"}
    theirs = listed([(names[metric], f"{method} {figure:.2f}") for metric, (method, figure) in best.items()])
    ends = {metric: found for metric in best if (found := _ends(cells, metric))}
    ours = listed([(names[metric], _mean(cells, metric)) for metric in ends])
    verdicts = [(names[m], _placed(*ends[m], best[m][1], slightly_below)) for m in ends]
    why = other(results, model) if ours else None
    return Claim(text, theirs, ours, untestable(why) if why else _verdict(verdicts), _keys(cells) if ours else ())


def _placed(low: float, high: float, best: float, slightly_below: bool) -> str:
    if low <= best <= high and (slightly_below or high - low > WIDE):
        return OPEN
    if not slightly_below:
        return HOLDS if high >= best else FAILS
    return HOLDS if best - SLIGHTLY <= high < best else f"{FAILS}, ours is {'above' if low > best else 'far below'}"


def other(results: Results, model: str) -> str | None:
    """Why a number of the paper's on `model` is no number for this data; None where it is."""
    shows = {"video": results["video"]}
    return paper.unlike(results["corpus"], shows, results["protocol"], read_by(model))


def conditions(results: Results, claim: Claim) -> Claim:
    """With what to know of our side of it: another scale or recipe than the paper's, a choice that isn't clean."""
    if not any(claim.verdict.startswith(word) for word in (HOLDS, FAILS, OPEN)):
        return claim
    words = [f"{results['scale']} scale"] * (results["scale"] != "paper")
    words += [f"recipe {results['recipe']}"] * (results["recipe"] != "paper")
    words += ["NOT CLEAN"] * ("NOT CLEAN" in results["protocol_text"])
    return replace(claim, verdict=f"{claim.verdict} ({', '.join(words)})") if words else claim


def untestable(why: str) -> str:
    return f"{UNTESTABLE} ({why})"


def listed(points: list[tuple[str, str]]) -> str:
    return (
        "; ".join(f"{at}: {text}" if at else text for at, text in points)
        .replace(" ", NO_BREAK)
        .replace(f";{NO_BREAK}", "; ")
    )


def _mean(cells: list[Cell], metric: str) -> str:
    low, high = _ends(cells, metric) or (0.0, 100.0)
    return f"{fmean(values(cells, metric)):.2f} [{low:.2f} to {high:.2f}]".replace(" ", NO_BREAK)


def _ends(cells: list[Cell], metric: str) -> tuple[float, float] | None:
    """Of the interval a score is judged by: over seeds or over clips, whichever reaches further."""
    ends, clips = ends_of(cells, metric), over_clips(cells) if metric == "top1" else None
    return (min(ends[0], clips[0]), max(ends[1], clips[1])) if ends and clips else ends


def _keys(cells: list[Cell]) -> tuple[str, ...]:
    return tuple(key for cell in cells if cell["status"] == "done" for key in cell["keys"])


def _runs(found: Sequence[At]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(key for _, d in found if d for key in d.keys))


def _verdict(verdicts: list[tuple[str, str]]) -> str:
    """One word where they agree; else which at which."""
    words = list(dict.fromkeys(word for _, word in verdicts))
    if len(words) <= 1:
        return words[0] if words else MISSING
    return "; ".join(f"{word}: {', '.join(at for at, w in verdicts if w == word)}" for word in words)

"""The clips behind the largest cells of a confusion matrix, drawn small: frames and signals, and what they were named.

T frames, H, W pixels, S samples, C channels.
"""

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from PIL import Image

from orchestrator.report import figures, pictures
from orchestrator.report.pictures import Pictured
from orchestrator.storage.run_folder import RunFolder

NAME = "mistake"
MOST = 12  # clips
EACH = 3  # of a cell of the matrix
MOST_BYTES = 5_000_000  # on the page, as base64
SHOWN, SIDE, GAP = 6, 96, 3  # frames of a clip, pixels
COLOURS = 128  # of a strip: a quarter of the bytes of all of them


@dataclass(frozen=True)
class Mistake:
    """A test clip that was named wrongly; `cell` is how many clips of its class were named like that.

    `seen` has each modality's input by its name in the report, frames (T, H, W, C) or a signal (S, C).
    """

    clip: str
    label: str
    predicted: str
    confidence: float
    cell: int
    seen: dict[str, np.ndarray]

    @property
    def text(self) -> str:
        of = f"one of {self.cell} such clips" if self.cell > 1 else "the only such clip"
        return f"{self.clip}: {self.label}, named {self.predicted} ({100 * self.confidence:.0f} %), {of}."


def choose(run: RunFolder) -> list[tuple[dict, int]]:
    """Rows of a run's predictions with the size of their cell: of the largest cells first, of each the surest."""
    rows = run.predictions(["clip", "label", "predicted", "probabilities"]).to_pylist()
    wrong = [row for row in rows if row["label"] != row["predicted"]]
    size = Counter((row["label"], row["predicted"]) for row in wrong)
    wrong.sort(key=lambda row: (-row["probabilities"][row["predicted"]], row["clip"]))
    cells = sorted(size, key=lambda cell: (-size[cell], cell))
    of_cells = [[row for row in wrong if (row["label"], row["predicted"]) == cell][:EACH] for cell in cells]
    return [(row, size[row["label"], row["predicted"]]) for of_cell in of_cells for row in of_cell][:MOST]


def drawn(mistakes: Sequence[Mistake]) -> list[Pictured]:
    """As many as the page has room for."""
    out: list[Pictured] = []
    for each in mistakes:
        one = Pictured(each.clip, each.text, _frames(each), _signals(each))
        if sum(len(p.frames) + len(p.signal) for p in [*out, one]) * 4 / 3 > MOST_BYTES:
            break
        out.append(one)
    return out


def _frames(mistake: Mistake) -> bytes:
    """A strip for each modality that has frames; nothing without."""
    strips = [_strip(frames_THWC) for frames_THWC in mistake.seen.values() if frames_THWC.ndim == 4]
    if not strips:
        return b""
    width = max(strip.shape[1] for strip in strips)
    whole = np.concatenate(
        [np.pad(s, ((0, GAP), (0, width - s.shape[1]), (0, 0)), constant_values=128) for s in strips]
    )
    buffer = io.BytesIO()
    Image.fromarray(whole[:-GAP]).quantize(COLOURS).save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def _strip(frames_THWC: np.ndarray) -> np.ndarray:
    at = np.unique(np.linspace(0, len(frames_THWC) - 1, SHOWN).round().astype(int))
    small = [np.asarray(Image.fromarray(frames_THWC[i]).resize((SIDE, SIDE), Image.Resampling.BILINEAR)) for i in at]
    return np.concatenate([np.pad(f, ((0, 0), (0, GAP), (0, 0)), constant_values=128) for f in small], axis=1)[:, :-GAP]


@rc_context(figures.LETTERS)
def _signals(mistake: Mistake) -> bytes:
    """A panel for each sensor; nothing without a signal."""
    rows = [
        (sensor, lines_SC)
        for name, signal_SC in mistake.seen.items()
        if signal_SC.ndim == 2
        for sensor, lines_SC in pictures.sensors_of(name, signal_SC)
    ]
    if not rows:
        return b""
    figure = Figure(figsize=(6, 1.2 * len(rows) + 0.6), layout="constrained")
    panels = figure.subplots(len(rows), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (name, lines_SC) in zip(panels, rows, strict=True):
        pictures.draw_sensor(axes, name, lines_SC, np.zeros(len(lines_SC)))
    panels[-1].set(xlabel="share of the clip (%)", xlim=(0, 100))
    return figures.png(figure, *panels)

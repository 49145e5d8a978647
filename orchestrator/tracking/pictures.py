"""What MLflow shows of one run as pictures: SVG, for a plot by matplotlib takes half a second of a core for each."""

import textwrap
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

# Of a page, in pixels.
WIDTH, CELL, LETTER = 720, 18, 5.8
LONGEST = 32  # letters of a class's name


def confusion(count_KK: np.ndarray, classes: Sequence[str], title: str, protocol: str) -> bytes:
    """Clips counted as (class, predicted class), shown as per cent of the class's clips; zeros are left blank."""
    share_KK = 100 * count_KK / np.maximum(count_KK.sum(axis=1, keepdims=True), 1)
    cells = [(row, column, float(share_KK[row, column])) for row, column in np.argwhere(count_KK).tolist()]
    names = [name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…" for name in classes]
    margin = 40 + LETTER * max(map(len, names))
    return _drawn("confusion", title, protocol, names=names, cells=cells, cell=CELL, margin=margin)


def curves(history: Sequence[dict[str, Any]], title: str, protocol: str) -> bytes:
    """Training loss and, of a network that classifies, training top-1 in per cent, each against the epoch."""
    last, panels = history[-1]["epoch"], []
    for name, value, scale, most in (("training loss", "loss", 1, 0.0), ("training top-1 (%)", "train_top1", 100, 100)):
        told = [(row["epoch"], scale * row[value]) for row in history if row.get(value) is not None]
        points = [(x, y) for x, y in told if np.isfinite(y)]
        if points:
            top = most or max(y for _, y in points) or 1.0
            drawn = [((x - 1) / max(last - 1, 1), y / top) for x, y in points]
            panels.append({"name": name, "top": f"{top:.3g}", "points": drawn})
    return _drawn("curves", title, protocol, panels=panels, last=last)


def _drawn(name: str, title: str, protocol: str, **content: Any) -> bytes:
    """`protocol` stands above all: a picture that is copied still says who trained and who was tested."""
    lines = [title, *textwrap.wrap(protocol, int(WIDTH / LETTER))]
    return _environment().get_template(f"{name}.svg.j2").render(content, lines=lines, width=WIDTH).encode()


@cache
def _environment() -> jinja2.Environment:
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    return jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )

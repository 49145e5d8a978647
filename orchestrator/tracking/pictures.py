"""A run's confusion matrix and curves as SVG for MLflow.

matplotlib, which draws the report's plots, takes half a second of a core for each; a template takes a millisecond.
"""

import textwrap
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

# In pixels. Letters are as wide as those of most fonts at this size, not of the widest.
WIDTH, CELL, LETTER = 720, 18, 6.2
LONGEST = 32  # letters of a class's name


def confusion(count_KK: np.ndarray, classes: Sequence[str], title: str, protocol: str) -> bytes:
    """SVG of clips counted (K, K) as class and predicted class, in per cent of the class's clips; zeros are blank."""
    share_KK = 100 * count_KK / np.maximum(count_KK.sum(axis=1, keepdims=True), 1)
    cells = [(row, column, float(share_KK[row, column])) for row, column in np.argwhere(count_KK).tolist()]
    names = [name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…" for name in classes]
    margin = 40 + LETTER * max(map(len, names))
    return _drawn("confusion", title, protocol, names=names, cells=cells, cell=CELL, margin=margin)


def curves(history: Sequence[dict[str, Any]], title: str, protocol: str) -> bytes:
    """SVG of the training loss and, of a network that classifies, of training top-1 in per cent, against the epoch.

    `history` has at least one row, as in history.jsonl.
    """
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
    letters = (WIDTH - 20) / LETTER
    title_lines = textwrap.wrap(title, int(letters * 11 / 13))  # which is of 13 pixels
    content |= {"title_lines": title_lines, "lines": textwrap.wrap(protocol, int(letters)), "width": WIDTH}
    return _environment().get_template(f"{name}.svg.j2").render(content).encode()


@cache
def _environment() -> jinja2.Environment:
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    return jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )

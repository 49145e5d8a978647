"""The clips behind the largest cells of a confusion matrix: which, how they are drawn, and where they are kept."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from orchestrator.report import html
from orchestrator.report.analysis import mistakes
from orchestrator.report.analysis.mistakes import Mistake
from orchestrator.storage.run_folder import RunFolder
from tests.support.runs.made_up import make, text_of

HOLDS = "This page holds pictures of recordings"


def mistake(**seen: np.ndarray) -> Mistake:
    return Mistake("a1_s2_t1", "wave", "clap", 0.9, 4, seen or {"Video": frames(), "IMU": np.zeros((50, 6))})


def frames(side: int = 32) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (10, side, side, 3), np.uint8)


def test_the_largest_cells_come_first_and_none_has_more_than_its_share(tmp_path: Path):
    results = make(tmp_path / "runs")
    [key] = [cell["key"] for cell in results["cells"] if cell["model"] == "fusion" and cell["ratio"] == 0.25][:1]
    rows = mistakes.choose(RunFolder(tmp_path / "runs" / key))
    cells = [(row["label"], row["predicted"], size) for row, size in rows]
    assert cells == [(2, 0, 2), (2, 0, 2), (0, 1, 1), (1, 2, 1)], "8 of 12 right: of the last four two are of class 2"


def test_a_clip_is_drawn_as_what_it_is():
    [one] = mistakes.drawn([mistake()])
    side, gap, shown = mistakes.SIDE, mistakes.GAP, mistakes.SHOWN
    assert Image.open(io.BytesIO(one.frames)).size == (shown * (side + gap) - gap, side)
    assert one.signal.startswith(b"\x89PNG") and one.text == "a1_s2_t1: wave, named clap (90 %), one of 4 such clips."
    [two] = mistakes.drawn([mistake(Video=frames(), Skeleton=frames(120))])
    assert Image.open(io.BytesIO(two.frames)).size[1] == 2 * side + gap and two.signal == b""
    [signal] = mistakes.drawn([mistake(IMU=np.zeros((50, 6)))])
    assert signal.frames == b"" and signal.signal


def test_the_page_has_no_more_of_them_than_it_has_room_for(monkeypatch: pytest.MonkeyPatch):
    size = len(mistakes.drawn([mistake(Video=frames())])[0].frames)
    monkeypatch.setattr(mistakes, "MOST_BYTES", 3.5 * size * 4 / 3)
    assert len(mistakes.drawn([mistake(Video=frames())] * 12)) == 3
    assert 12 * size * 4 / 3 < 5_000_000, "noise is as large as a strip gets"


def test_they_stay_on_the_page_of_their_run_which_says_that_it_holds_recordings(no_plots: None, tmp_path: Path):
    results, runs, folder = make(tmp_path / "runs"), tmp_path / "runs", tmp_path / "report"
    assert HOLDS not in html.write(results, runs, folder).read_text()
    page = html.write(results, runs, folder, confused=[mistake()] * 2).read_text()
    assert HOLDS in page and "a1_s2_t1: wave, named clap (90 %)" in text_of(page)
    assert page.count('alt="Frames of a1_s2_t1"') == page.count('alt="The signals of a1_s2_t1"') == 2
    assert html.write(results, runs, folder).read_text() == page
    assert HOLDS not in html.write(results, runs, folder, confused=[]).read_text()

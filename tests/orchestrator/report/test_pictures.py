"""A clip's pictures and their place in the report, made up."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from orchestrator.report import html, pictures
from orchestrator.report.pictures import Look
from tests.support.runs.made_up import make, text_of


def look(channels: int = 6, classes: tuple[str, ...] = ("wave", "clap", "squat")) -> Look:
    """Named clap with 70 % at the end; the upper left of every frame is what counts."""
    heat = np.zeros((10, 16, 16), np.float32)
    heat[:, :8, :8] = 1.0
    so_far = np.linspace([0.4, 0.3, 0.3], [0.1, 0.7, 0.2], 6)
    frames = np.full((10, 16, 16, 3), 60, np.uint8)
    signal = np.random.default_rng(0).normal(size=(90, channels)).astype(np.float32)
    seen = {"video": (frames, heat), "IMU": (signal, np.linspace(0, 1, 90))}
    return Look("a1_s2_t1", 0, classes, seen, so_far, {"video": 1.25, "IMU": -0.5})


def test_the_warm_part_of_a_frame_is_bright():
    picture = np.asarray(Image.open(io.BytesIO(pictures.frames(look()))).convert("RGB")).astype(int)
    side, gap = pictures.SIDE, pictures.GAP
    assert picture.shape[:2] == (2 * side + gap, pictures.SHOWN * (side + gap) - gap)
    below = picture[side + gap :, :side]
    assert below[20, 20].sum() > below[side - 20, side - 20].sum() + 300
    assert (picture[5:side, 5:side] == 60).all(), "the frame itself is left as it is"


@pytest.mark.parametrize("channels", [6, 12])
def test_each_sensor_has_its_panel(channels: int):
    width, height = Image.open(io.BytesIO(pictures.signal(look(channels, ("$x$", "$\\frac$", "c"))))).size
    assert width == 6 * 140 and (height > 6 * 140) == (channels == 12)


def test_each_modality_is_drawn_as_what_it_is(no_plots, tmp_path: Path):
    """Two videos below one another, a signal of many channels in a panel of its own, and a clip without a video."""
    full = look()
    frames, signal = full.seen["video"], full.seen["IMU"]
    many = (np.random.default_rng(0).normal(size=(90, 60)).astype(np.float32), np.linspace(0, 1, 90))
    one, two = (
        Image.open(io.BytesIO(pictures.frames(replace(full, seen=seen)))).size
        for seen in ({"Depth": frames}, {"Depth": frames, "RGB": (frames[0][:5], frames[1][:5])})
    )
    assert (two[0], two[1]) == (one[0], 2 * one[1] + pictures.GAP)
    signals, more = (
        Image.open(io.BytesIO(pictures.signal(replace(full, seen=seen)))).size
        for seen in ({"IMU": signal}, {"IMU": signal, "Skeleton": many})
    )
    assert more[1] > signals[1]
    bare = replace(full, seen={"IMU": signal, "Skeleton": many}, parts={"IMU": 1.0, "Skeleton": 0.5})
    results = make(tmp_path / "runs", None, modalities=("imu", "skeleton"))
    for again in ({"looks": [bare]}, {}):
        page = html.write(results, tmp_path / "runs", tmp_path / "report", **again).read_text()
        assert 'class="frames"' not in page and page.count('alt="The signal of a1_s2_t1') == 1
        assert "To that logit add IMU +1.0 and Skeleton +0.5." in text_of(page)
    assert pictures.signal(replace(full, seen={"Depth": frames})).startswith(b"\x89PNG")


def test_the_appendix_says_what_was_named_and_what_added_to_it(no_plots, tmp_path: Path):
    results = make(tmp_path / "runs")
    page = html.write(results, tmp_path / "runs", tmp_path / "report", looks=[look()]).read_text()
    assert "a1_s2_t1, wave, named clap (70 %). To that logit add video +1.2 and IMU −0.5." in text_of(page)
    assert page.count('class="frames"') == 1 and (tmp_path / "report" / "look0_signal.png").exists()
    none = text_of(html.write(results, tmp_path / "runs", tmp_path / "another").read_text())
    assert "experiments/report.py --look draws it" in none
    why = text_of(html.write(results, tmp_path / "runs", tmp_path / "report", looks="Not drawn: no <b>").read_text())
    assert "Not drawn: no &lt;b&gt;" in why


def test_the_appendix_is_there_again_until_its_run_is_another(no_plots, tmp_path: Path):
    results, runs, folder = make(tmp_path / "runs"), tmp_path / "runs", tmp_path / "report"
    first = html.write(results, runs, folder, looks=[look(), look()]).read_text()
    again = html.write(results, runs, folder).read_text()
    assert again.count('class="frames"') == 2 and again == first
    (folder / "look1_signal.png").unlink()
    assert 'class="frames"' not in html.write(results, runs, folder).read_text()
    html.write(results, runs, folder, looks=[look()])
    for cell in results["cells"]:
        cell["key"] += "-tuned"
        results["runs"][cell["key"]] = {"kind": cell["model"], "modalities": cell["modalities"], "name": cell["key"]}
        results["runs"][cell["key"]] |= {"status": "done", "seconds": 1.0}
    assert 'class="frames"' not in html.write(results, runs, folder).read_text()

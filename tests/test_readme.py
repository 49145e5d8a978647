"""The README's tour leads where it says."""

import ast
import re
from pathlib import Path

import pytest

from datasets.depths import depth_file, person
from datasets.modalities import skeleton
from datasets.signals import inertial, mmact_sensors, units
from datasets.skeletons import read
from datasets.videos import timing, video_file
from tests.support import pages
from tests.support.own import FILE, PAGES, text

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
WHOLE = README + pages.text("experiments/README.md") + pages.text("orchestrator/README.md")
STOP = re.compile(r"`((?:experiments|orchestrator|models|datasets)/\S+\.py):([\w.]+)`")


def test_the_tour_passes_through_driver_trial_and_worker():
    files = [file for file, _ in STOP.findall(README)]
    for file in ("driver/launch", "trial/run", "worker/train"):
        assert f"orchestrator/{file}.py" in files


@pytest.mark.parametrize(("file", "name"), STOP.findall(WHOLE))
def test_every_stop_exists(file: str, name: str):
    scope: list[ast.stmt] = ast.parse((ROOT / file).read_text()).body
    for part in name.split("."):
        found = [node for node in scope if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == part]
        assert found, f"{file} has no {name}"
        scope = found[0].body


@pytest.mark.parametrize("file", sorted(set(re.findall(r"`?((?:experiments|orchestrator)/\w+\.(?:py|md))", WHOLE))))
def test_every_file_named_exists(file: str):
    assert (ROOT / file).exists()


def test_the_readme_is_for_somebody_with_five_minutes() -> None:
    assert len(README.splitlines()) <= 150
    assert all(f"`{page}`" in README for page in pages.PAGES if page != "README.md")


def test_make_targets_named_exist():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\S+)", README, flags=re.M):
        assert re.search(rf"^{target}:", makefile, flags=re.M), target


def test_the_table_of_what_is_read_states_the_numbers_of_the_code() -> None:
    page = (ROOT / "datasets/README.md").read_text()
    table = page[page.index("## What is read") :]
    for stated in (
        f"More than {video_file.MAX_LOST * 100:g} % of the packets",
        f"the same for more than {timing.MAX_SAME * 100:g} % of the frames",
        f"a gap of more than {timing.JUMP_SECONDS:g} s",
        f"255 − depth · 255 / {video_file.DEPTH_MM}",
        f"{video_file.MAX_SIDE} on a side, {video_file.MAX_FRAMES:,} frames or {video_file.MAX_SECONDS:g} s",
        f"{units.LEAST_G:g} to {units.MOST_G:g} g; MMAct's 7.8 to 19.6 m/s²",
        f"at least {units.LEAST_MEAN_G:g} g",
        f"at least {units.LEAST_RATE:g} deg/s, or {units.LEAST_RATE_A_G:g} deg/s for each g",
        f"spreads by {units.MOVING_G:g} g or more",
        f"{1 / units.MOST_LONGER:.2g} to {units.MOST_LONGER:g} |",
        f"more than {inertial.MAX_SIGNAL_BYTES >> 20} MB",
        f"fewer than {skeleton.LEAST} or more than {skeleton.MOST:,} samples, or more than {read.MAX_BYTES >> 20} MB",
        f"fewer than {depth_file.LEAST_FRAMES} or more than {depth_file.MOST_FRAMES:,} frames",
        f"fewer than {depth_file.LEAST_SIDE} or more than {depth_file.MOST_SIDE} pixels",
        f"more than {depth_file.MAX_BYTES >> 20} MB, decompressed | refused with the number",
        f"above {depth_file.MOST_MM} mm",
        f"a median below {depth_file.LEAST_MM} mm",
        f"at least {person.PIXELS} pixels",
        f"(median − depth) /\n{person.MM_A_LEVEL} mm, from 1 to 255",
        f"sees {skeleton.Settings().resampled} samples",
    ):
        assert stated in table, stated
    assert timing.EVEN == 0.25 and "a quarter of the gap" in table
    assert units.MOST_STUCK == 0.5 and "at most half of the clip" in table
    assert person.MOMENTS == 2 and "in two frames or more" in table
    assert mmact_sensors.MAX_SECONDS == 3600 and "more than an hour apart" in table


@pytest.mark.parametrize("page", PAGES)
def test_the_readme_leads_there_and_every_file_named_exists(page: str) -> None:
    assert f"`{page}`" in README
    written = {file for file, _ in FILE.findall(text(page))}
    named = set(re.findall(r"`((?:\w+/)+\w+\.py)(?::[\w.]+)?`", text(page))) - written
    assert written and named and all((ROOT / file).exists() for file in named)
    assert not any((ROOT / file).exists() for file in written)

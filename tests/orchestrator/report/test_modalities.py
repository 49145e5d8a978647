"""The report of plans on other modalities than the paper's two: three of them, one alone, and stages without scores."""

import re
from itertools import combinations
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from orchestrator.report import claims, scores
from orchestrator.report.analysis import plots
from tests.support.runs.made_up import ablate, fail, lack, make, pretrain, terminal, text_of, write

THREE = ("imu", "skeleton", "video")
NAMES = {"imu": "IMU", "skeleton": "Skeleton", "video": "depth video (AVI)"}
SINGLES = [f"{name} only" for name in NAMES.values()]
FUSED = "IMU + Skeleton + depth video (AVI)"
STARRED = [
    "IMU* + Skeleton + depth video (AVI)",
    "Skeleton* + IMU + depth video (AVI)",
    "depth video (AVI)* + IMU + Skeleton",
]
WITHOUT = [f"without {' and '.join(of)}" for count in (1, 2) for of in combinations(NAMES.values(), count)]


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict, str]:
    """The folder, the results and the page of a grid on three modalities."""
    folder = tmp_path_factory.mktemp("three")
    results = make(folder / "runs", modalities=THREE)
    lack(results)
    return folder, results, write(results, folder)


def test_three_modalities_have_a_row_each_and_their_fusion(three: tuple):
    folder, _, page = three
    text = text_of(page)
    assert "Activity recognition from IMU + Skeleton + depth video (AVI) on" in text
    for label in (*SINGLES, FUSED):
        assert f"{label} 75.00 9/12 46.77 to 91.11 100.00 50.00" in text, "Table 2"
        assert f"{label} 66.67 8/12" in text, "Figure 2"
    plots = {f"confusion_{model}" for model in (*THREE, "+".join(THREE))} | {
        "calibration",
        "figure2",
        "figure3",
        "curves",
    }
    assert {file.stem for file in (folder / "report").glob("*.png")} == plots
    assert f"wave {'75.0 3/4 ' * 4}clap (1)" in text
    assert f"{FUSED} most often takes it for" in text


def test_the_title_names_what_the_cells_read(tmp_path: Path) -> None:
    results = make(tmp_path)
    results["cells"] = [cell for cell in results["cells"] if cell["modalities"] == ["imu"]]
    assert "<h1>Activity recognition from IMU on" in write(results, tmp_path)


def test_each_of_three_is_starred_alone_and_in_the_fusion(three: tuple):
    _, results, page = three
    rows = [row["label"] for row in scores.figure3(results)]
    assert rows == [*SINGLES, FUSED, *(["IMU*", "Skeleton*", "depth video (AVI)*", *STARRED] * 2)]
    text = text_of(page)
    for label in ("IMU*", "Skeleton*", "depth video (AVI)*", *STARRED):
        assert text.count(f"{label} 58.33 7/12") == 2, "with one class hidden and with two"
    assert "squat (wrist) all bars 0" in text


def test_what_is_left_without_every_subset_of_three(three: tuple):
    _, _, page = three
    left = "58.33 7/12 31.95 to 80.67 " * 3 + "41.67 5/12 19.33 to 68.05 " * 3
    text = text_of(page)
    assert " ".join(f"Top-1 {words}" for words in WITHOUT) in text
    assert f"{FUSED} 75.00 9/12 46.77 to 91.11 50.00 {left}" in text


def test_the_terminal_has_three_as_the_page_has_them(three: tuple):
    _, results, _ = three
    text = terminal(results)
    for label in (
        *SINGLES,
        FUSED,
        "IMU*",
        "Skeleton*",
        "depth video (AVI)*",
        *STARRED,
        "without IMU",
        "without IMU and",
    ):
        assert label in text
    rows = [line for line in text.splitlines() if "without" in line]
    assert [("58.33 (7/12)" in row, "41.67 (5/12)" in row) for row in rows] == [(True, False)] * 3 + [(False, True)] * 3


def test_variants_of_a_fusion_of_three(no_plots, tmp_path: Path):
    results = make(tmp_path / "runs", modalities=THREE)
    ablate(results, tmp_path / "runs")
    text = text_of(write(results, tmp_path)).replace("\u00a0", " ")
    assert "together from what stage 1 starts from 50.00 6/12 25.38 to 74.62 50.00 25.00 3/12" in text
    assert "3/12 8.89 to 53.23 – – – −25.00 [" in text, "made up without a pair of them"
    assert terminal(results)


def test_the_papers_numbers_are_of_two_modalities(no_plots, tmp_path: Path):
    """Its fusion is none of three, nor are its claims, whatever the video shows."""
    results = make(tmp_path / "runs", "RGB", "UTD-MHAD", modalities=THREE)
    assert not scores.comparable(results) and not any(claims.all_of(results, lambda key: None).values())
    text = text_of(write(results, tmp_path))
    assert "What the paper says of it" not in text and "Claim, in points of accuracy" not in text
    apart = "distant reference Its models read IMU and colour video, and both together; here is IMU + Skeleton + RGB."
    assert "96.05" not in text[: text.index(apart)] and "96.05" in text[text.index(apart) :]
    assert terminal(results).index("RGB only") < terminal(results).index("a distant reference")
    assert "distant" not in text_of(write(make(tmp_path / "two", "RGB", "UTD-MHAD"), tmp_path))


@pytest.mark.parametrize(
    ("modality", "video", "label"),
    [("imu", None, "IMU"), ("video", "depth", "depth video (AVI)"), ("skeleton", None, "Skeleton")],
)
def test_one_modality_has_a_report_without_a_fusion(modality: str, video: str | None, label: str, tmp_path: Path):
    results = make(tmp_path / "runs", video, "mine", modalities=(modality,))
    page = write(results, tmp_path)
    text = text_of(page)
    assert f"Activity recognition from {label} on mine" in text and f"{label} only 75.00 9/12" in text
    assert text.count(f"{label}* 58.33 7/12") == 2 and f"squat {label}* 0" in text
    assert "takes it for" not in text and "Variants of the fusion" not in text and "What the paper says" not in text
    assert ("Video shows" in text) == (modality == "video")
    plots = {file.stem for file in (tmp_path / "report").glob("*.png")}
    assert plots == {"calibration", "figure2", "figure3", "curves", f"confusion_{modality}"}
    assert f"{label} only" in terminal(results) and f"{label}*" in terminal(results)
    assert scores.looked_at(results) is None
    assert set(re.findall(r'href="#(run-[^"]*)"', page)) <= set(re.findall(r'id="(run-[^"]*)"', page))


def test_one_modality_of_the_papers_stands_apart_from_its_numbers(no_plots, tmp_path: Path):
    results = make(tmp_path / "runs", None, "UTD-MHAD", modalities=("imu",))
    text = text_of(write(results, tmp_path))
    assert "both together; here is IMU." in text and "85.42" not in text[: text.index("distant reference")]
    assert terminal(results)


def test_a_stage_without_a_classifier_is_a_run_and_no_score(tmp_path: Path):
    results = make(tmp_path / "runs", modalities=THREE)
    key = pretrain(results, tmp_path / "runs")
    page = write(results, tmp_path)
    text = text_of(page)
    assert f"pretraining imu+skeleton+video seed=0 – {key} – 12 s done" in text
    assert f'href="#run-{key}"' in page and f"pretraining {key[:10]}" in text, "the fusions start from it"
    assert "pretraining" not in terminal(results)


def test_a_result_of_a_stage_without_a_classifier_is_empty(tmp_path: Path):
    """A plan that asks for such a stage itself: done, with a curve and without a number."""
    results = make(tmp_path / "runs", modalities=THREE)
    key = pretrain(results, tmp_path / "runs")
    (tmp_path / "runs" / key / "times.json").write_text("{}")
    fail(results, 0, "done", "")
    results["cells"][0] |= {"key": key, "reason": None, "top1": None, "top5": None, "f1": None, "k": None, "n": None}
    text = text_of(write(results, tmp_path))
    assert "IMU only – – –" in text and "results are missing" not in text
    assert "IMU only: no confusion matrix" in text
    assert (tmp_path / "report" / "curves.png").exists() and terminal(results)


@pytest.mark.parametrize("size", [{"width": 1200, "height": 900}, {"width": 390, "height": 844}])
def test_the_page_of_three_fits_a_screen(browser: Browser, three: tuple, size: dict):
    page = browser.new_page(viewport=size)  # pyright: ignore[reportArgumentType]
    page.goto((three[0] / "report" / "report.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    for heading in ("#table2", "#variants", "#figure2", "#figure3") if size["width"] < 500 else ():
        table = page.locator(f"{heading} ~ .scroll:has(table)").first
        assert table.evaluate("scroll => scroll.scrollWidth - scroll.clientWidth") <= 0, heading
    page.close()


def test_a_wide_table_of_three_is_printed_whole(browser: Browser, three: tuple):
    page = browser.new_page(viewport={"width": 700, "height": 1000})
    page.goto((three[0] / "report" / "report.html").as_uri())
    page.emulate_media(media="print")
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    page.close()


def test_colours_of_three_differ(three: tuple):
    results = three[1]
    assert [plots.colour(results, model) for model in (*THREE, "+".join(THREE))] == [0, 1, 2, 3]

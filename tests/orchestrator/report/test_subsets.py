"""The table of subsets: scores, differences with Holm's correction, and what is left of the full fusion."""

from pathlib import Path

import pytest

from orchestrator.report import claims, comparisons, scores
from orchestrator.report.analysis import plots
from orchestrator.storage.run_folder import RunFolder
from tests.support.runs.made_up import fail, make_subsets, terminal, text_of, write

# Of 12 clips; who has more right has all of those right that others have.
RIGHT = {
    "imu": 2,
    "skeleton": 4,
    "video": 6,
    "imu+skeleton": 8,
    "imu+video": 10,
    "skeleton+video": 11,
    "imu+skeleton+video": 12,
}
# McNemar's exact p of so many clips won and none lost is 2 / 2^won, and 1 of one; then Holm's by hand, over nine.
COMPARED = {
    ("imu+skeleton", "imu"): (6, 0.21875),
    ("imu+skeleton", "skeleton"): (4, 0.625),
    ("imu+video", "imu"): (8, 0.0703125),
    ("imu+video", "video"): (4, 0.625),
    ("skeleton+video", "skeleton"): (7, 0.125),
    ("skeleton+video", "video"): (5, 0.375),
    ("imu+skeleton+video", "imu+skeleton"): (4, 0.625),
    ("imu+skeleton+video", "imu+video"): (2, 1.0),
    ("imu+skeleton+video", "skeleton+video"): (1, 1.0),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict, str]:
    """The folder, the results and the page."""
    folder = tmp_path_factory.mktemp("subsets")
    results = make_subsets(folder / "runs", RIGHT)
    return folder, results, text_of(write(results, folder)).replace("\u00a0", " ")


def test_rows_come_by_size_and_name_each_against_those_of_one_fewer(made: tuple) -> None:
    _, results, _ = made
    assert ["+".join(row["modalities"]) for row in results["subsets"]] == list(RIGHT)
    found = {
        ("+".join(row["modalities"]), "+".join(gap["modalities"])): gap
        for row in results["subsets"]
        for gap in row["against"]
    }
    assert found.keys() == COMPARED.keys()
    for pair, (won, holm) in COMPARED.items():
        assert found[pair]["points"] == pytest.approx(100 * won / 12)
        assert found[pair]["p"] == pytest.approx(min(1, 2 / 2**won)) and found[pair]["holm"] == pytest.approx(holm)
        assert found[pair]["low"] < found[pair]["points"] < found[pair]["high"]


def test_a_row_has_its_own_score_and_what_the_full_fusion_has_left(made: tuple) -> None:
    _, results, _ = made
    for row in results["subsets"]:
        k = RIGHT["+".join(row["modalities"])]
        assert row["top1"]["mean"] == pytest.approx(k / 12) and row["top1"]["deviation"] is None
        low, high = row["top1"]["interval"]
        assert 0 <= low < k / 12 <= high <= 1 and (row["clips"], row["seeds"]) == (12, 1)
        lacking = 3 - len(row["modalities"])
        left = None if not lacking else pytest.approx((12 - 2 * lacking) / 12)
        assert (row["left"] and row["left"]["mean"]) == left
        assert row["protocol"] == "odd-even"


def test_the_page_and_the_terminal_have_the_table(made: tuple) -> None:
    _, results, page = made
    imu, _, video = results["modalities"].values()
    scored = "83.33 10/12 55.20 to 95.30"
    assert f"{imu} + {video} {scored} 50.00 12 {scored} {imu} only: +66.67 [" in page
    assert f"; p = 0.008, Holm = 0.070] {video} only: +33.33 [" in page and "all 9 comparisons of this table" in page
    shown = " ".join(terminal(results).split())
    assert "Subsets of the modalities" in shown and "Subsets against one modality fewer" in shown
    assert shown.count("Holm = 0.625") == 3 and shown.count("Holm = 1.000") == 2


def test_no_fusion_is_taken_for_another(made: tuple) -> None:
    folder, results, page = made
    for model, k in RIGHT.items():
        [cell] = scores.modality(results, model)
        assert cell["k"] == k
    assert len({plots.colour(results, model) for model in RIGHT}) == 7
    drawn = {file.stem for file in (folder / "report").glob("*.png")}
    assert drawn == {"curves", "calibration", "subsets", *(f"confusion_{model}" for model in RIGHT)}
    by_class = page[page.index("Top-1 by class") : page.index("Appendix")]
    assert "wave 25.0 1/4 50.0 2/4 50.0 2/4 75.0 3/4 100.0 4/4 100.0 4/4 100.0 4/4" in by_class
    looked = scores.looked_at(results)
    assert looked and looked.endswith("imu-skeleton-video"), "the fusion of most modalities"


def test_the_papers_claims_and_numbers_are_none_of_subsets(no_plots: None, tmp_path: Path) -> None:
    for number, right in enumerate((RIGHT, {model: RIGHT[model] for model in ("imu", "video", "imu+video")})):
        results = make_subsets(tmp_path / f"{number}/runs", right)
        text = text_of(write(results, tmp_path / str(number)))
        assert "Subsets of the modalities" in text and "Table 2" not in text
        assert "What the paper says" not in text and "96.05" not in text and "96.05" not in terminal(results)
        assert any(claims.all_of(results, lambda key: None).values()) == (number == 1)


def test_seeds_have_a_mean_and_a_deviation(no_plots: None, tmp_path: Path) -> None:
    results = make_subsets(tmp_path / "runs", RIGHT, seeds=2)
    row = results["subsets"][4]
    assert row["seeds"] == 2 and row["top1"]["mean"] == pytest.approx(9.5 / 12)
    assert row["top1"]["deviation"] == pytest.approx(0.5**0.5 / 12) and row["against"][0]["seeds"] == 2
    assert "79.17 ± 5.89" in text_of(write(results, tmp_path))


def test_what_failed_is_missing_and_the_rest_stands(no_plots: None, tmp_path: Path) -> None:
    """Without the full fusion nothing is left to ask of it, and fewer comparisons are corrected for."""
    made = make_subsets(tmp_path / "runs", RIGHT)
    fail(made, 6, "failed", "out of memory")
    rows = comparisons.compared(made, lambda key: RunFolder(tmp_path / "runs" / key).right())
    assert [len(row["against"]) for row in rows] == [0, 0, 0, 2, 2, 2, 0] and rows[6]["top1"] is None
    assert not any(row["left"] for row in rows)
    assert rows[4]["against"][0]["holm"] == pytest.approx(6 * 2 / 2**8)
    text = text_of(write(made | {"subsets": rows}, tmp_path))
    label = " + ".join(made["modalities"].values())
    assert f"Subsets: {label}, seed 0 : failed, out of memory" in text and "all 6 comparisons" in text

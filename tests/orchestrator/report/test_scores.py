"""Means, intervals, folds and variants, as a reader meets them in the report."""

import copy

import pytest

from orchestrator.plan import paper
from orchestrator.report import scores
from tests.support.runs.made_up import add_cell, fail, make, terminal, text_of, write


def test_paper_rows_are_as_printed():
    assert paper.printed("UTD-MHAD (RGB video)", paper.FUSION) == pytest.approx(
        {"top1": 0.9605, "top5": 1.0, "f1": 0.9605}
    )
    assert paper.printed("MMAct", "imu") == pytest.approx({"top1": 0.6428, "top5": 0.9057, "f1": 0.6545})
    assert paper.printed("synthetic", "imu") is None
    assert len(paper.TABLE2) == 8


def test_harmonic_mean_of_seen_and_hidden():
    assert scores.harmonic(0.8, 0.2) == pytest.approx(0.32)
    assert scores.harmonic(0.8, 0.0) == 0.0 == scores.harmonic(0.0, 0.0)
    assert scores.harmonic(None, 0.2) is None


def test_several_seeds_give_mean_and_deviation(no_plots, tmp_path):
    results = make(tmp_path / "runs", seeds=3)
    text = text_of(write(copy.deepcopy(results), tmp_path))
    assert "83.33 ± 8.33 62.63 to 100.00 9/12 10/12 11/12" in text  # 9, 10, 11 of 12; t of two degrees is 4.303
    fail(results, 0, "failed", "out of memory")
    assert "87.50 ± 5.89 34.56 to 100.00 2 of 3 seeds failed 10/12 11/12" in text_of(write(results, tmp_path))
    assert "87.50 ± 5.89 (2 of 3 seeds)" in terminal(results)


def test_folds_are_averaged_and_their_clips_added(no_plots, tmp_path):
    """Two folds of leave-one-subject-out: 9 and 6 of 12 right; a seed has one row."""
    results = make(tmp_path / "runs")
    for cell in results["cells"]:
        cell["protocol"] = "leave-one-subject-out/2"
    other = copy.deepcopy([cell for cell in results["cells"] if cell["experiment"] == "modalities"])
    for cell in other:
        cell |= {"protocol": "leave-one-subject-out/4", "k": 6, "top1": 0.5, "key": cell["key"] + "-fold"}
    results["cells"] += other
    (cell,) = scores.modality(results, "imu")
    assert (cell["k"], cell["n"], cell["top1"], cell["status"]) == (15, 24, pytest.approx(0.625), "done")
    assert len(cell["keys"]) == 2
    text = text_of(write(results, tmp_path))
    assert "62.50 15/24 2 4 42.71" in text, "with the subject that each run tested, which leads to it"
    other[0] |= {"status": "failed", "top1": None, "k": None, "n": None}
    (cell,) = scores.modality(results, "imu")
    assert (cell["top1"], cell["status"]) == (None, "failed")


def test_variants_of_the_fusion_stand_against_the_papers(no_plots, tmp_path):
    results = make(tmp_path / "runs")
    text = text_of(write(results, tmp_path)).replace("\u00a0", " ")
    assert "Variants of the fusion" not in text and "not in this plan: experiments/stage_ablation.py" in text
    results["cells"] = [cell for cell in results["cells"] if cell["experiment"] == "modalities"]
    fused = results["cells"].pop()
    lost = {"top1_without_imu": 0.25, "k_without_imu": 3, "n_without_imu": 12}
    for variant, right in (("one-stage", 6), ("", 9)):
        add_cell(results, tmp_path / "runs", "stages", "fusion", 1.0, {"imu": [], "video": []}, 7 + right, right)
        results["cells"][-1] |= {"variant": variant, "method": variant or "two-stage", "seed": 0} | lost
    assert fused["key"] not in {cell["key"] for cell in results["cells"]}
    text = text_of(write(results, tmp_path)).replace("\u00a0", " ")
    assert "Do two stages help" in text
    assert "together from what stage 1 starts from 50.00 6/12 25.38 to 74.62 50.00 25.00 3/12" in text
    assert "3/12 8.89 to 53.23 – −25.00 [" in text
    assert "IMU + depth video (AVI) 75.00 9/12" in text, "Table 2 has the paper's variant"
    assert "Training in two stages makes the fused model better not tested by the paper either +25.00 [" in text
    assert "without IMU" in terminal(results) and "everything" not in terminal(results)

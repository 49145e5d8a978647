"""The paper's claims: ours with its interval, and the verdict."""

from pathlib import Path

import pytest

from orchestrator.plan import paper
from orchestrator.report import claims, verdicts
from orchestrator.report.paired import Difference
from tests.support.runs.made_up import make, named, text_of, write

HIDDEN = {"imu": {1: -2.0, 5: -14.0}, "video": {1: -4.0, 5: -12.0}}


def points(mean: float, low: float, high: float) -> Difference:
    return Difference(mean, low, high, 0.01, 1, ("k",))


def test_claims_are_differences_in_points(depth):
    text = text_of(depth[1]).replace("\u00a0", " ")
    quarter = "25 % of the training data against all of it about −10 −8.33 [−31.10 to +16.81; p = 1.000]"
    assert f"{quarter} not testable on this data (depth video, the number is of RGB)" in text
    assert "IMU* against nothing hidden 1: −2; 5: −14 1: −16.67 [" in text
    found = "+10.63 +0.00 [−19.80 to +19.80; p = 1.000] not told apart (demo scale)"
    assert f"IMU + depth video (AVI) is above IMU only {found}" in text
    assert (
        "Training in two stages makes the fused model better not tested by the paper either not in this plan: " in text
    )
    assert text.count("with other people the intervals would be wider") == 1


def test_what_sees_no_video_is_judged_on_depth_too(tmp_path: Path):
    results = make(tmp_path)
    found = {claim.text: claim.verdict for claim in claims.table2(results, lambda key: None)}
    assert found["IMU only: top-1"] == "not told apart", "75.00, 46.77 to 91.11: nothing lies outside"
    for text in ("depth video (AVI) only: top-1", "IMU + depth video (AVI): top-1"):
        assert found[text] == "not testable on this data (depth video, the number is of RGB)"
    for model, lost in HIDDEN.items():
        told = [(str(x), points(v, v - 1, v + 1), v) for x, v in lost.items()]
        judged = verdicts.about(results, "", "", told, model).verdict
        assert judged.startswith("holds" if model == "imu" else "not testable")
    results["protocol"] = "trials"
    [imu, *_] = claims.table2(results, lambda key: None)
    assert imu.verdict == "not testable on this data (protocol trials, the number is of odd-even)"


@pytest.mark.parametrize(
    ("right", "said"),
    [(390, "holds, ours is above it"), (366, "holds"), (310, "does not hold")],
)
def test_a_score_holds_inside_the_interval_or_below_it(right: int, said: str, tmp_path: Path):
    results = make(tmp_path)
    [cell] = [cell for cell in results["cells"] if (cell["experiment"], cell["model"]) == ("modalities", "imu")]
    cell |= {"top1": right / 430, "k": right, "n": 430}
    assert verdicts.reaches(results, "", "imu", 85.42).verdict == said
    cells, others = [cell | {"seed": seed} for seed in range(3)], [c for c in results["cells"] if c is not cell]
    equal = results | {"cells": [*others, *cells], "seeds": 3}
    assert verdicts.reaches(equal, "", "imu", 85.42).verdict == said, "seeds that agree say nothing of other clips"
    cell |= {"status": "failed", "top1": None}
    assert verdicts.reaches(results, "", "imu", 85.42).verdict == verdicts.MISSING


def test_above_is_judged_by_the_sign_and_its_size_stands_beside():
    def judged(d: Difference, **how) -> str:
        return verdicts.better("", "", [("", d)], **how).verdict

    assert judged(points(5.81, 3.80, 7.98), size=10.63) == "holds, but by 5.81 (3.80 to 7.98), not 10.63"
    assert judged(points(9, 6, 12), size=10.63) == "holds, and by as much: 10.63 lies in our interval"
    assert judged(points(11, 0.5, 22), size=10.63) == "holds, by how much isn't told"
    assert judged(points(1, -1, 12), size=10.63) == "not told apart"
    assert judged(points(-3, -4, -2), size=10.63) == "does not hold"
    assert judged(points(-3, -4, -2), below=True) == "holds"
    assert judged(points(3, 2, 4), below=True) == "does not hold"
    assert judged(Difference(2, 0.1, 4, 0.06, 1)) == "not told apart", "the test says so"


def test_a_verdict_says_at_which_scale_and_whether_it_is_clean(tmp_path: Path):
    results, claim = make(tmp_path), verdicts.better("", "", [("", points(3, 2, 4))])
    results["scale"] = "paper"
    assert verdicts.conditions(results, claim).verdict == "holds"
    results["scale"] = "laptop"
    assert verdicts.conditions(results, claim).verdict == "holds (laptop scale)"
    results["protocol_text"] += "; last epoch; NOT CLEAN: chosen by scores of subjects 2"
    assert verdicts.conditions(results, claim).verdict == "holds (laptop scale, NOT CLEAN)"
    results["recipe"] = "tuned"
    assert verdicts.conditions(results, claim).verdict == "holds (laptop scale, recipe tuned, NOT CLEAN)"
    missing = verdicts.better("", "", [("", None)])
    assert verdicts.conditions(results, missing).verdict == verdicts.MISSING


def test_fusion_is_held_against_both_single_modalities_and_against_itself(tmp_path: Path):
    names = [claim.text for claim in claims.hiding(make(tmp_path), lambda key: None)]
    assert {"IMU* + depth video (AVI) drops too", "depth video (AVI)* + IMU drops too"} < set(names)
    fused, single = ("IMU* + depth video (AVI)", "depth video (AVI)* + IMU"), ("IMU*", "depth video (AVI)*")
    assert {f"{a} is above {b}" for a in fused for b in single} < set(names)


@pytest.mark.parametrize(
    ("corpus", "top1", "said"),
    [
        ("UTD-MHAD", (0.958, 0.96, 0.962), "holds: top-1; not told apart: F1"),
        ("UTD-MHAD", (0.97, 0.976, 0.98), "not told apart"),
        ("UTD-MHAD", (0.99, 0.991, 0.992), "does not hold, ours is above: top-1; not told apart: F1"),
        ("UTD-MHAD", (0.70, 0.71, 0.72), "does not hold, ours is far below: top-1; not told apart: F1"),
        ("MMAct", (0.83, 0.84, 0.85), "holds"),
        ("MMAct", (0.70, 0.71, 0.72), "does not hold: top-1; holds: F1"),
    ],
)
def test_fusion_beside_the_other_methods_as_printed(corpus: str, top1: tuple, said: str, tmp_path: Path):
    results = make(tmp_path, "RGB", corpus, seeds=3)
    fused = [c for c in results["cells"] if c["experiment"] == "modalities" and c["model"] == "fusion"]
    for cell, ours, f1 in zip(fused, top1, (0.92, 0.96, 0.99), strict=True):
        cell |= {"top1": ours, "k": 10_000 * ours, "n": 10_000, "f1": f1}
    [claim] = claims.others(results)
    assert claim.verdict == said
    best = {"UTD-MHAD": "top-1: MuMu 97.60; F1: VSKD + DASK 96.38", "MMAct": "top-1: CMC-CMKM 84.05; F1: MuMu 76.28"}
    assert claim.paper.replace("\u00a0", " ") == best[corpus]
    [claim] = claims.others(make(tmp_path / "depth", corpus=f"{corpus} (depth video)"))
    assert claim.verdict.startswith("not testable on this data (")


def test_claims_about_numbers_are_judged_where_the_video_is_rgb(no_plots, tmp_path):
    results = make(tmp_path / "runs", video="RGB", corpus="UTD-MHAD")
    text = text_of(write(results, tmp_path)).replace("\u00a0", " ")
    assert "[−31.10 to +16.81; p = 1.000] not told apart (demo scale)" in text, "10 lies in it, and so does 0"
    for file in (tmp_path / "runs").glob("fusion-*/predictions.parquet"):
        file.unlink()
    text = text_of(write(results, tmp_path))
    assert "significantly better no result yet" in text


def test_rows_of_table_2_besides_change_no_claim(tmp_path: Path):
    results = make(tmp_path)
    three = results | {"modalities": named(("imu", "skeleton", "video"), "depth")}
    before = claims.all_of(results, lambda key: None)
    assert before["table2"] and before == claims.all_of(three | {"also": ["skeleton"]}, lambda key: None)
    assert not any(claims.all_of(three, lambda key: None).values())


def test_what_the_paper_tested_on_utd_mhad_alone_is_no_claim_about_mmact(tmp_path: Path):
    found = claims.hiding(make(tmp_path / "MMAct", "RGB", "MMAct"), lambda key: None)
    assert {claim.paper for claim in found} == {claims.NOT_PRINTED}
    found = claims.hiding(make(tmp_path / "UTD-MHAD", "RGB", "UTD-MHAD"), lambda key: None)
    assert claims.NOT_PRINTED not in {claim.paper for claim in found}


def test_a_corpus_of_ones_own_has_no_claim_with_a_number_of_the_papers(tmp_path: Path):
    names = [claim.text for claim in claims.table2(make(tmp_path, corpus="mine"), lambda key: None)]
    assert names[0] == "IMU + depth video (AVI) is above IMU only" and not any("top-1" in name for name in names)


ODD = {
    "UTD-MHAD": (
        "328 and 373 of 384 do",
        "MuMu's 97.6 is higher than the 97.21",
        "22 % above video only; the table gives",
    ),
    "MMAct": ("The abstract swaps the gains: fusion is 19.8 points above IMU only and 12.2 above video only",),
}


@pytest.mark.parametrize("corpus", ODD)
def test_where_the_paper_does_not_add_up_is_said_on_its_corpus(corpus: str, no_plots, tmp_path: Path):
    text = text_of(write(make(tmp_path / "runs", "RGB", corpus), tmp_path))
    assert (
        "CMC-CMKM row holds another model" in text and "neither a validation set nor how the epoch was chosen" in text
    )
    for name, said in ODD.items():
        assert all((words in text) == (name == corpus) for words in said)


def test_what_is_said_of_the_printed_numbers_is_arithmetic():
    def fits(clips: int, *printed: float) -> bool:
        return all(any(round(100 * k / clips, 2) == p for k in range(clips + 1)) for p in printed)

    assert [n for n in range(200, 432) if fits(n, 85.42, 97.14)] == [384]
    assert not any(fits(n, 74.76, 95.14) for n in range(1, 432))
    assert fits(430, 96.05) and round(100 * 413 / 430, 2) == 96.05
    gaps = {(c, m): paper.gap(c, m) for c in paper.CORPORA for m in ("imu", "video")}
    assert [round(gap or 0, 2) for gap in gaps.values()] == [10.63, 21.29, 19.77, 12.16]

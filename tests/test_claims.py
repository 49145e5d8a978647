"""The paper's claims: ours with its interval, and the verdict."""

from pathlib import Path

from orchestrator import claims
from tests.made_up import make, text_of, write


def test_claims_are_differences_in_points(depth):
    text = text_of(depth[1]).replace("\u00a0", " ")
    quarter = "25 % of the training data against all of it about −10 −8.33 [−25.00 to +0.00; p = 1.000]"
    assert f"{quarter} not testable on this data (depth video, the number is of RGB)" in text
    assert "IMU* against nothing hidden 1: −2; 5: −14 1: −16.67 [" in text
    assert "IMU + Depth is above IMU only +10.63 +0.00 [+0.00 to +0.00; p = 1.000] not told apart" in text
    assert text.count("with other people the intervals would be wider") == 3


def test_claims_about_numbers_are_judged_where_the_video_is_rgb(no_plots, tmp_path):
    results = make(tmp_path / "runs", video="RGB", corpus="UTD-MHAD")
    text = text_of(write(results, tmp_path)).replace("\u00a0", " ")
    assert "[−25.00 to +0.00; p = 1.000] holds" in text
    for file in (tmp_path / "runs").glob("fusion-*/predictions.parquet"):
        file.unlink()
    text = text_of(write(results, tmp_path))
    assert "significantly better not testable on this data (results missing)" in text


def test_what_the_paper_tested_on_utd_mhad_alone_is_no_claim_about_mmact(tmp_path: Path):
    found = claims.hiding(make(tmp_path / "MMAct", "RGB", "MMAct"), lambda key: None)
    assert {claim.paper for claim in found} == {claims.NOT_PRINTED}
    found = claims.hiding(make(tmp_path / "UTD-MHAD", "RGB", "UTD-MHAD"), lambda key: None)
    assert claims.NOT_PRINTED not in {claim.paper for claim in found}

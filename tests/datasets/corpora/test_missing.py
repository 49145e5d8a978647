"""A clip that lacks a recording, under each policy."""

from pathlib import Path

import pytest

from datasets.corpora import missing
from datasets.corpora.recordings import Recorded, checked


@pytest.mark.parametrize("policy", ["error", "padding", "exclusion"])
def test_a_clip_that_lacks_a_recording_is_what_its_corpus_says(policy: missing.Policy, classes: Path) -> None:
    first, second = sorted((classes / "class1").glob("*.csv"))
    clips = [
        Recorded("lacking", 1, 1, 0, {"video": first.with_suffix(".avi")}),
        Recorded("whole", 2, 1, 0, {"imu": second, "video": second.with_suffix(".avi")}),
    ]
    table, bad, notes = checked(classes, "class-folders", clips, ("imu", "video"), policy)
    assert table["clip"].to_pylist() == (["lacking", "whole"] if policy == "padding" else ["whole"])
    words = "has no IMU recording beside it"
    name = str(first.with_suffix(".avi").relative_to(classes))
    assert [(b.file, b.reason) for b in bad] == ([(name, words)] if policy == "error" else [])
    if policy == "padding":
        assert table.to_pylist()[0] | {"imu": None, "imu_count": 0, "imu_content": ""} == table.to_pylist()[0]
    told = {
        "error": [],
        "padding": ["1 of 2 clips lack a recording, which are padded (imu 1)"],
        "exclusion": ["1 clips that lack a recording are left out"],
    }
    assert notes == told[policy]

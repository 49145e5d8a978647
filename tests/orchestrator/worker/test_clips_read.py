"""Which clips a run trains on and is scored by, and that none of a test subject reaches what chooses."""

from dataclasses import replace

import numpy as np
import pytest

from datasets import splits
from experiments import zero_shot
from orchestrator.driver.search_trial import Looks, looks
from orchestrator.plan.plan import Plan
from orchestrator.plan.rows import rows_of
from orchestrator.plan.study import Study
from tests.support.runs.plans import manifest


def test_stage_1_trains_on_no_clip_of_a_class_hidden_from_it_and_stage_2_on_all() -> None:
    clips = manifest()
    study = Study(clips, "demo", "paper")
    plan = Plan.of("zero_shot", zero_shot.cells(study, 0), study.runs)
    labels, everything = splits.labels(clips), splits.split(clips, "odd-even")[0]
    for spec in plan.runs.values():
        hidden = {label for classes in spec.data.hidden.values() for label in classes}
        trained = rows_of(spec, clips)[0]
        kept = [row for row in everything if spec.stage == "fusion" or labels[row] not in hidden]
        assert sorted(trained) == sorted(kept)
    counts = {len(spec.data.hidden.get("imu", ())) for spec in plan.stages["imu"]}
    assert counts == {0, 1, 3, 5}


@pytest.mark.parametrize("protocol", ["odd-even-validation", "even-odd-validation"])
@pytest.mark.parametrize("stage", ["imu", "video", "fusion"])
def test_nothing_of_a_test_subject_reaches_what_chooses(protocol: str, stage: str) -> None:
    """Every run that a setting is judged by, whatever the setting: the clips it trains on and those that score it.

    And so of the stage 1s that a fusion starts from, each of the fold that its fusion is of.
    """
    clips = manifest()
    tested = splits.split(clips, protocol.removesuffix(splits.VALIDATION))[1]
    study = Study(clips, "laptop", "tuned", protocol)
    extreme = {f"{stage}.optimization.lr": 0.1, f"{stage}.optimization.batch": 2}
    for changed in ({}, extreme):
        specs = looks(replace(study, set=changed), Looks(stage, seeds=2))
        assert len(specs) == 8 == len({spec.key for spec in specs})
        parents = {spec.key: [study.runs[key] for key in spec.parents.values()] for spec in specs}
        assert all(p.data.protocol == spec.data.protocol for spec in specs for p in parents[spec.key])
        behind = [*specs, *(parent for both in parents.values() for parent in both)]
        assert len({spec.key for spec in behind}) == (24 if stage == "fusion" else 8)
        scored = np.concatenate([rows_of(spec, clips)[1] for spec in specs])
        seen = {row for spec in behind for part in rows_of(spec, clips) for row in part}
        assert len(seen) == len(clips.clips) - len(tested) and not seen & set(tested)
        assert len(scored) == 2 * len(seen), "each training clip judges once a seed"

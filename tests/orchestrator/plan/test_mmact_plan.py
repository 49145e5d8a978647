"""MMAct's protocols, by instance, and its grid; on a made-up Manifest of 20 subjects."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from datasets import modalities, splits
from datasets.corpora import mmact
from datasets.manifest import Manifest
from experiments import full_grid
from experiments.mmact_tree import performed
from orchestrator.plan import paper
from orchestrator.plan.plan import Plan
from orchestrator.plan.recipes import recipe_of
from orchestrator.plan.rows import rows_of
from orchestrator.plan.study import Study

SCHEMA = mmact.schema(("imu", "video"))
FILLER = {"video": "v", "imu": "i", "video_count": 9, "imu_count": 60, "video_content": "v", "imu_content": "i"}
FILLER |= {"seconds": 1.0, "missing": ""}


def made_up(subjects: range = range(1, 21)) -> Manifest:
    """Two classes in each of 4 scenes and 5 sessions, four views; of every seventh instance only three."""
    rows = [
        (subject, scene, session, label, camera, 1000 * subject + 100 * scene + 10 * session + label)
        for subject in subjects
        for scene in range(1, 5)
        for session in range(1, 6)
        for label in range(2)
        for camera in range(1, 4 + ((subject + scene + session + label) % 7 > 0))
    ]
    columns = dict(
        zip(("subject", "scene", "trial", "label", "camera", "instance"), zip(*rows, strict=True), strict=True)
    )
    columns |= {"clip": [str(row) for row in rows]} | {name: [value] * len(rows) for name, value in FILLER.items()}
    table = pa.table({name: columns[name] for name in SCHEMA.names}, SCHEMA)
    return Manifest("MMAct", {"video": "RGB"}, "mmact", mmact.CLASSES, table, Path("/recordings"))


@pytest.mark.parametrize(
    ("protocol", "column", "train", "test"),
    [
        ("cross-subject", "subject", set(range(1, 17)), {17, 18, 19, 20}),
        ("cross-session", "trial", {1, 2, 3, 4}, {5}),
        ("cross-scene", "scene", {1, 3, 4}, {2}),
        ("cross-view", "camera", {1, 2, 3}, {4}),
    ],
)
def test_no_instance_is_on_both_sides_but_of_views(protocol: str, column: str, train: set, test: set) -> None:
    manifest = made_up()
    rows, values = splits.split(manifest, protocol), manifest.clips[column].to_numpy()
    assert (set(values[rows[0]]), set(values[rows[1]])) == (train, test)
    assert len(rows[0]) + len(rows[1]) == manifest.clips.num_rows
    instances = splits.instances(manifest)
    shared = set(instances[rows[0]]) & set(instances[rows[1]])
    text = splits.describe(manifest, protocol)
    assert bool(shared) == (protocol == "cross-view") == ("THE TEST INSTANCES' SIGNALS ARE IN TRAINING" in text)
    assert protocol in text and "instances)" in text


@pytest.mark.parametrize("protocol", ["cross-subject", "cross-session", "cross-scene"])
def test_validation_folds_are_by_instance_and_read_no_test_clip(protocol: str) -> None:
    manifest = made_up()
    instances, tested = splits.instances(manifest), splits.split(manifest, protocol)[1]
    validated = []
    for fold in splits.folds(manifest, f"{protocol}-validation"):
        train, test = splits.split(manifest, fold)
        assert not set(tested) & {*train, *test} and not set(instances[train]) & set(instances[test])
        validated += test.tolist()
    assert sorted(validated) == splits.split(manifest, protocol)[0].tolist()


@pytest.mark.parametrize("ratio", [0.1, 0.25, 0.5, 1.0])
def test_a_share_of_the_training_data_keeps_an_instances_views_together(ratio: float) -> None:
    manifest = made_up()
    train, _ = splits.split(manifest, "cross-subject")
    labels, instances = splits.labels(manifest), splits.instances(manifest)
    kept = splits.subset(train, labels[train], ratio, 0, instances[train])
    assert set(np.flatnonzero(np.isin(instances, instances[kept]))) == set(kept)
    for label in range(2):
        whole, part = (np.unique(instances[rows][labels[rows] == label]) for rows in (train, kept))
        assert len(part) == round(ratio * len(whole))


@pytest.mark.parametrize(
    ("layout", "protocol", "known"),
    [
        ("mmact", "odd-even", "cross-subject"),
        ("utd-mhad", "cross-view", "odd-even"),
        ("mmact", "trials", "cross-subject"),
    ],
)
def test_a_protocol_of_another_corpus_is_refused(layout: str, protocol: str, known: str) -> None:
    with pytest.raises(ValueError, match=f"^--protocol {protocol}: MMAct knows {known}, "):
        splits.split(replace(made_up(), layout=layout), protocol)
    assert splits.default(made_up()) == "cross-subject"


def true_size() -> Manifest:
    """The release's number of instances, each with one clip."""
    rows = [(*numbers, mmact.CLASSES.index(name)) for *numbers, name in performed()]
    count, (subjects, scenes, sessions, labels) = len(rows), zip(*rows, strict=True)
    columns = {name: [value] * count for name, value in (FILLER | {"clip": "c", "camera": 1}).items()}
    columns |= {"subject": subjects, "scene": scenes, "trial": sessions, "label": labels, "instance": range(count)}
    table = pa.table({name: list(columns[name]) for name in SCHEMA.names}, SCHEMA)
    return replace(made_up(), clips=table)


def test_28_classes_in_every_scene_but_the_desks_nine() -> None:
    manifest = true_size()
    assert manifest.clips.num_rows == 8968
    for desk, total in ((False, 35), (True, 37)):
        found = mmact.with_desk_classes(manifest) if desk else manifest
        labels, scenes = splits.labels(found), found.clips["scene"].to_numpy()
        of = {scene: set(labels[scenes == scene].tolist()) for scene in (1, 2, 3, 4)}
        assert [len(of[scene]) for scene in (1, 2, 3, 4)] == [28, 28, 9, 28] and of[1] == of[2] == of[4]
        assert len(set().union(*of.values())) == len(found.classes) == total
        assert len(of[1] & of[3]) == (0 if desk else 2)
        train, test = splits.split(found, "cross-scene")
        assert len(set(labels[test].tolist())) == 28 and len(set(labels[train].tolist())) == total


# The grid


def grid(recipe: str = "paper", manifest: Manifest | None = None) -> tuple[Plan, Study]:
    manifest = manifest or made_up()
    classes = pa.array(np.arange(manifest.clips.num_rows) % 8, pa.int32())
    clips = manifest.clips.set_column(manifest.clips.schema.get_field_index("label"), "label", classes)
    study = Study(replace(manifest, clips=clips), "demo", recipe, "cross-subject")
    return Plan.of("full_grid", full_grid.cells(study, 0), study.runs), study


def test_the_grid_is_table_1s_with_twelve_channels() -> None:
    plan, study = grid()
    assert (len(plan.cells), len(plan.runs), study.inputs["imu"].channels) == (27, 24, 12)
    for spec in plan.runs.values():
        how = spec.optimization
        assert {"lr": how.lr, "weight_decay": how.weight_decay, "batch": how.batch} == paper.TABLE1["MMAct"][spec.stage]
        if "imu" in spec.modalities:
            assert spec.network.encoders["imu"].settings["channels"] == spec.data.inputs["imu"].channels == 12
    manifest = study.manifest
    for spec in plan.runs.values():
        train, test = (set(splits.instances(manifest)[rows]) for rows in rows_of(spec, manifest))
        assert not train & test


def test_a_recipe_that_resamples_by_stamp_says_so_in_key_and_shards() -> None:
    plan, study = grid("tuned")
    signals = study.inputs["imu"]
    assert signals.rate == recipe_of("tuned", "mmact").settings("imu").rate == 50 and signals.samples == 51
    assert modalities.of("imu").stored(signals) == {"samples": 51, "channels": 12, "rate": 50}
    read = [spec for spec in plan.runs.values() if "imu" in spec.modalities]
    assert len(read) == 17 and {spec.data.inputs["imu"].rate for spec in read} == {50}
    assert recipe_of("tuned", "utd-mhad").settings("imu").rate is None

"""MMAct's poses beside its signals and videos: which clips there are, what one lacks, and what is bad."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from datasets import modalities
from datasets.corpora import mmact, mmact_folders
from datasets.decoding import Recordings
from datasets.files.bad_file import BadRecordings
from datasets.manifest import Manifest
from datasets.modalities import skeleton
from datasets.signals import mmact_sensors
from tests.support.recordings import poses
from tests.support.recordings.mmact_files import Tree, read
from tests.support.recordings.poses import put_beside, walking

BOTH, ALL = ("imu", "skeleton"), ("imu", "skeleton", "video")
NOT_51 = "numbers for a person, not 51: x, y and confidence of 17 joints"
PARENT = "pose/cross_view/trainval"
SOURCE = mmact.CORPUS.source("skeleton")


def pose_of(folder: Path, camera: int = 1, session: int = 1, parent: str = PARENT) -> Path:
    return folder / parent / f"subject1/cam{camera}/scene1/session{session}/walking.json"


@pytest.fixture
def posed(tree: Tree) -> Path:
    """Two instances, seen by two cameras, each with a pose."""
    folder = tree((1, 1, 1, "walking"), (1, 1, 2, "walking"))
    put_beside(folder)
    return folder


def bad(folder: Path, names: tuple[str, ...]) -> dict[str, str]:
    with pytest.raises(BadRecordings) as raised:
        read(folder, names)
    return {b.file: b.reason for b in raised.value.bad}


@pytest.mark.parametrize("parent", ["pose", "pose/cross_scene/trainval", "trimmed_pose/pose/cross_view/trainval"])
def test_a_pose_belongs_to_a_view(tree: Tree, parent: str) -> None:
    folder = tree((1, 1, 1, "walking"), (17, 1, 2, "running"))
    put_beside(folder, parent)
    found = read(folder, ALL)
    assert found.modalities == ALL and found.notes == () and found.bad == ()
    for clip in found.clips.to_pylist():
        assert Path(clip["skeleton"]).with_suffix("").parts[-5:] == Path(clip["video"]).with_suffix("").parts[-5:]
    assert found.clips["skeleton_count"].to_pylist() == [40, 41, 42, 43]
    assert found.of(("imu", "video")).digest == read(folder).digest, "what was read before has its keys"
    back = skeleton.Skeleton().read(folder, found.clips["skeleton"][0].as_py(), SOURCE)
    assert back.shape == (40, 17, 2) and back.dtype == np.float32 and np.isfinite(back).all()


def test_the_digest_is_of_the_content(posed: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    before = read(posed, BOTH)
    copy = tmp_path_factory.mktemp("copies") / "copy"
    shutil.copytree(posed, copy)
    assert read(copy, BOTH).digest == before.digest
    poses.put(pose_of(posed), walking(0, 7, frames=40))
    after = read(posed, BOTH)
    assert after.digest != before.digest and after.of(("imu",)).digest == before.of(("imu",)).digest


def test_signals_and_poses_do_without_videos(posed: Path) -> None:
    whole = read(posed, BOTH)
    shutil.rmtree(posed / "trimmed")
    alone = read(posed, BOTH)
    assert alone.clips.equals(whole.clips) and alone.digest == whole.digest and alone.shows == {}
    assert read(posed, ("skeleton",)).digest == whole.of(("skeleton",)).digest
    assert read(posed, ("imu",)).digest == whole.of(("imu",)).digest, "the poses' names show the views"
    with pytest.raises(ValueError, match=r"holds no videos \(subjectN/camN"):
        read(posed, ALL)
    for sensor in mmact_sensors.SENSORS:
        shutil.rmtree(posed / f"{sensor}_clip")
    assert read(posed, ("skeleton",)).clips.num_rows == 4
    with pytest.raises(ValueError, match="holds no a sensor's folder"):
        read(posed, BOTH)
    shutil.rmtree(posed / "pose")
    with pytest.raises(ValueError, match=r"holds no poses \(pose/\.\.\./subjectN/camN"):
        read(posed, ("skeleton",))


def test_poses_that_nobody_asks_for_show_no_view(posed: Path) -> None:
    before = read(posed)
    poses.put(pose_of(posed, camera=4), walking(0, 1))
    pose_of(posed).write_text("{")
    (posed / PARENT / "subjectX").mkdir()
    assert read(posed).digest == before.digest and read(posed).bad == ()
    assert read(posed, ("imu",)).digest == before.of(("imu",)).digest


def test_the_views_are_those_of_the_videos_names_and_of_the_poses(posed: Path) -> None:
    pose_of(posed, camera=2).unlink()
    poses.put(pose_of(posed, camera=3), walking(0, 1))
    (posed / "trimmed/subject1/cam1/scene1/session2/walking.mp4").write_bytes(b"no video, and none is opened")
    found = read(posed, BOTH)
    assert [(c["camera"], c["trial"], c["skeleton"] is None) for c in found.clips.to_pylist()] == [
        (1, 1, False), (2, 1, True), (3, 1, False), (1, 2, False), (2, 2, False),
    ]  # fmt: skip
    assert found.notes[0] == "1 of 5 clips lack a recording, which are padded (skeleton 1)"
    left = read(posed, BOTH, missing_sensors="exclude")
    assert left.clips["camera"].to_pylist() == [1, 3, 1, 2]
    assert "1 clips that lack a recording are left out" in left.notes
    (posed / "trimmed/subject1/cam1/scene1/session2/walking.mp4").unlink()
    everything = read(posed, ALL)
    assert "3 of 5 clips lack a recording, which are padded (skeleton 1, video 2)" in everything.notes
    assert read(posed, ALL, missing_sensors="exclude").clips["camera"].to_pylist() == [1, 2]
    assert read(posed, ("skeleton",), missing_sensors="exclude").clips.num_rows == 4


def test_a_clip_without_a_pose_is_padding(posed: Path) -> None:
    pose_of(posed).unlink()
    found, how = read(posed, BOTH), modalities.of("skeleton")
    given = how.input(skeleton.Settings(), SOURCE, lambda rate: found.longest("skeleton", rate))
    table = Recordings.of(found, "skeleton", given).table([0, 1])
    assert table["skeleton_length"].to_pylist() == [0, 42] and not np.any(table["skeleton"][0].as_py())


def test_nobody_is_no_pose(posed: Path) -> None:
    poses.put(pose_of(posed), np.full((30, 17, 3), np.nan))
    found = read(posed, BOTH)
    assert found.clips["skeleton"][0].as_py() is None and found.bad == ()
    assert found.notes == ("1 of 4 clips lack a recording, which are padded (skeleton 1)",)


def test_no_pose_at_all_ends_with_the_way_out(posed: Path) -> None:
    for file in (posed / "pose").rglob("*.json"):
        file.unlink()
    found, how = read(posed, BOTH), modalities.of("skeleton")
    with pytest.raises(ValueError, match=r"no clip has a skeleton: .* leave skeleton out of --modalities"):
        how.input(skeleton.Settings(), SOURCE, lambda rate: found.longest("skeleton", rate))


def test_several_people_and_missing_detections_are_counted_and_filled(posed: Path) -> None:
    person, other = walking(0, 4), walking(700, 0, confidence=0.4)
    person[10:13], person[20:, 9], other[5:] = np.nan, 0, np.nan
    file = poses.put(pose_of(posed), person, other)
    found = read(posed, BOTH)
    name = str(file.relative_to(posed))
    assert found.notes == (
        "1 skeleton file: samples show several people; the one with the highest mean confidence over the recording is"
        f" followed: {name} (5 of 30)",
        "1 skeleton file: samples are without that person; they are filled from those before and after:"
        f" {name} (3 of 30)",
    )
    how, given = modalities.of("skeleton"), skeleton.Input(30, 64, 17, 2, (11, 12), (5, 6))
    values, length = how.load(posed, name, 30, SOURCE, given)
    assert length == 30
    whole = walking(0, 4)[..., :2]  # at one speed: what is filled lies on the way
    np.testing.assert_allclose(values[:20], whole[:20], rtol=1e-5)
    np.testing.assert_allclose(values[20:, 9], np.repeat(whole[19:20, 9], 10, axis=0), rtol=1e-5)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "is empty: copy or download it again"),
        ('{"1": {"person1": [1, 2', "is cut off: copy or download it again"),
        ("[]", "has no frames"),
        (json.dumps([[[1.0] * 48]] * 20), f"frame 1 has 48 {NOT_51}"),
        (json.dumps([[[1.0] * 51]] * 9), "has 9 samples; a skeleton has 10 to 10000"),
        (json.dumps([[[1e300] * 51]] * 20), "has 680 values that are NaN or infinite"),
    ],
)  # fmt: skip
def test_a_bad_pose_is_named_and_the_other_views_stay(posed: Path, content: str, reason: str) -> None:
    pose_of(posed).write_text(content)
    assert bad(posed, BOTH) == {str(pose_of(posed).relative_to(posed)): reason}
    assert read(posed, BOTH, skip_bad=True).clips["camera"].to_pylist() == [2, 1, 2]
    assert read(posed, ("imu",)).clips.num_rows == 4


def test_a_bad_pose_and_a_bad_video_of_one_view_are_both_named(posed: Path) -> None:
    pose_of(posed).write_text("[")
    video = posed / "trimmed/subject1/cam1/scene1/session1/walking.mp4"
    video.write_bytes(b"")
    assert set(bad(posed, ALL)) == {str(file.relative_to(posed)) for file in (pose_of(posed), video)}


def test_names_that_are_none_are_told(posed: Path) -> None:
    pose_of(posed).rename(pose_of(posed).with_name("swimming.json"))
    (posed / PARENT / "subject1/cam2/scene1/session2").rename(posed / PARENT / "subject1/cam2/scene1/sesion2")
    assert bad(posed, BOTH) == {
        f"{PARENT}/subject1/cam1/scene1/session1/swimming.json": "is not named CLASS.json after a class",
        f"{PARENT}/subject1/cam2/scene1/sesion2": "is not named as in subjectN/camN/sceneN/sessionN",
    }


def test_copies_count_once_and_files_that_differ_are_named(posed: Path) -> None:
    other = pose_of(posed, parent="pose/cross_scene/trainval")
    other.parent.mkdir(parents=True)
    shutil.copy(pose_of(posed), other)
    assert read(posed, BOTH).clips.num_rows == 4
    poses.put(other, walking(0, 9))
    second = str(pose_of(posed).relative_to(posed))
    assert bad(posed, BOTH) == {second: f"differs from {other.relative_to(posed)}, the same recording: keep one"}


def test_a_scan_is_made_again_where_a_pose_changes(posed: Path) -> None:
    before = list(mmact_folders.seen(posed))
    poses.put(pose_of(posed), walking(0, 9))
    assert list(mmact_folders.seen(posed)) != before


def test_a_manifest_with_gaps_comes_back_as_it_was(posed: Path, tmp_path: Path) -> None:
    pose_of(posed).unlink()
    found = read(posed, BOTH)
    found.write(tmp_path / "manifest.parquet")
    back = Manifest.read(tmp_path / "manifest.parquet")
    assert back.digest == found.digest and back.clips.equals(found.clips)

"""MMAct's reader: a test for each oddity of the release, on trees of tiny files."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from datasets.corpora import mmact
from datasets.decoding import Recordings
from datasets.manifest import Manifest
from datasets.modalities import imu, video
from datasets.modalities.imu import Imu
from datasets.signals import mmact_sensors
from tests.support.recordings.mmact_files import ROWS, Tree, bad, csv_of, names_of, put, read


@pytest.mark.parametrize("sensors", ["", "sensors", "Sensor_trimmed/2019"])
@pytest.mark.parametrize("videos", ["", "trimmed", "cross_view/trainval"])
def test_every_variant_of_the_folders_is_one_corpus(tree: Tree, sensors: str, videos: str) -> None:
    manifest = read(tree((1, 1, 1, "walking"), (17, 3, 5, "using_pc"), sensors=sensors, videos=videos))
    clips = manifest.clips.to_pylist()
    assert [clip["clip"] for clip in clips] == [
        f"{which}_cam{camera}"
        for which in ("subject1_scene1_session1_walking", "subject17_scene3_session5_using_pc")
        for camera in (1, 2)
    ]
    assert [(c["subject"], c["scene"], c["trial"], c["camera"]) for c in clips[2:]] == [(17, 3, 5, 1), (17, 3, 5, 2)]
    assert {(c["video_count"], c["imu_count"], c["missing"]) for c in clips} == {(6, 60, "")}
    assert (manifest.corpus, manifest.shows, manifest.notes) == ("MMAct", {"video": "RGB"}, ())


def test_views_share_their_signals_and_nothing_else(tree: Tree) -> None:
    clips = read(tree((1, 1, 1, "walking"), (1, 1, 2, "walking"))).clips.to_pylist()
    assert len({clip["imu"] for clip in clips}) == len({clip["instance"] for clip in clips}) == 2
    assert len({clip["video"] for clip in clips}) == 4
    assert all(a["imu"] == b["imu"] for a, b in (clips[:2], clips[2:]))


def test_a_clip_that_is_in_both_of_the_challenges_folders_counts_once(tree: Tree) -> None:
    tree((1, 1, 1, "walking"), videos="cross_scene/trainval")
    assert read(tree((1, 1, 1, "walking"), videos="cross_view/trainval")).clips.num_rows == 2


def test_what_the_challenge_ships_is_read_whole(tree: Tree) -> None:
    """Its two folders hold other classes of one session; key points and untrimmed videos lie beside them."""
    tree((1, 1, 1, "walking"), (1, 1, 1, "running"), sensors="trimmed_sensors", videos="cross_view/trainval")
    folder = tree((1, 1, 1, "walking"), (1, 1, 1, "kicking"), sensors="trimmed_sensors", videos="cross_scene/trainval")
    put(folder / "pose/cross_view/trainval/subject1/cam1/scene1/session1/walking.json", b"{}")
    put(folder / "untrimmed/cam1/scene1/subject1/session1/20181016-133345.mp4", b"")
    found = read(folder)
    assert names_of(found) == ["kicking"] * 2 + ["running"] * 2 + ["walking"] * 2 and found.notes == ()
    assert [Path(video).parts[0] for video in found.clips["video"].to_pylist()] == (
        ["cross_scene"] * 2 + ["cross_view"] * 2 + ["cross_scene"] * 2
    )


def test_each_sensor_has_a_parent_of_its_own_and_one_is_in_two(tree: Tree) -> None:
    folder = tree((1, 1, 1, "walking"), (1, 1, 1, "running"))
    for sensor, parent in zip(mmact_sensors.SENSORS, ("acc", "watch", "gyro", "ori"), strict=True):
        (folder / f"trimmed_{parent}").mkdir()
        (folder / f"{sensor}_clip").rename(folder / f"trimmed_{parent}/{sensor}_clip")
    more = folder / "later/gyro_clip/subject1/scene1/session1/running.csv"
    more.parent.mkdir(parents=True)
    (folder / "trimmed_gyro/gyro_clip/subject1/scene1/session1/running.csv").rename(more)
    found = read(folder)
    assert found.clips["missing"].to_pylist() == [""] * 4 and found.notes == ()
    assert "|later/gyro_clip/" in found.clips["imu"][0].as_py()


def test_a_subject_that_is_padded_and_not_is_one(tree: Tree) -> None:
    folder = tree((1, 1, 1, "walking"), (1, 1, 1, "running"), cameras=(1, 2, 3))
    sessions = ["gyro_clip/subject{}/scene1/session1", "trimmed/subject{}/cam2/scene1/session1"]
    for inner, end in zip(sessions, ("csv", "mp4"), strict=True):
        (folder / inner.format("01")).mkdir(parents=True)
        (folder / inner.format("1") / f"walking.{end}").rename(folder / inner.format("01") / f"Walking.{end.upper()}")
    found = read(folder)
    assert names_of(found) == ["running"] * 3 + ["walking"] * 3 and found.notes == ()
    assert len(set(found.clips["instance"].to_pylist())) == 2 and found.clips["missing"].to_pylist() == [""] * 6
    assert [clip for clip in found.clips["video"].to_pylist() if "subject01" in clip] == [
        "trimmed/subject01/cam2/scene1/session1/Walking.MP4"
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("gyro_clip/subject01/scene1/session1/walking.csv", "gyro_clip/subject1/scene1/session1/walking.csv"),
        ("gyro_clip/subject1/scene1/session1/Walking.csv", "gyro_clip/subject1/scene1/session1/walking.csv"),
        ("gyro_clip/subject1/scene1/session1/walking.csv", "more/gyro_clip/subject1/scene1/session1/walking.csv"),
        (
            "trimmed/subject1/cam1/scene1/session1/walking.mp4",
            "cross_scene/trainval/subject1/cam1/scene1/session1/walking.mp4",
        ),
    ],
)
def test_copies_count_once_and_files_that_differ_are_named(tree: Tree, film: bytes, first: str, second: str) -> None:
    folder = tree((1, 1, 1, "walking"))
    content = film if first.endswith("mp4") else ROWS.encode()
    for file in (first, second):
        put(folder / file, content)
    assert read(folder).clips.num_rows == 2
    (folder / second).write_bytes(content.replace(b"-0.5\n", b"-0.6\n") if second.endswith("csv") else content + b"_")
    assert bad(folder) == {second: f"differs from {first}, the same recording: keep one"}
    assert first in str(read(folder, skip_bad=True).clips.to_pylist()[0])


def test_key_points_are_no_videos(tree: Tree) -> None:
    folder = tree((1, 1, 1, "walking"), videos="cross_view/trainval")
    put(folder / "pose/cross_view/trainval/subject1/cam1/scene1/session1/walking.json", b"{}")
    assert read(folder).clips.num_rows == 2


def test_padded_subjects_and_capitals_are_the_same_instance(tree: Tree) -> None:
    folder = tree((14, 1, 2, "carrying_light"))
    (folder / "gyro_clip/subject14").rename(folder / "gyro_clip/subject014")
    video = folder / "trimmed/subject14/cam1/scene1/session2/carrying_light.mp4"
    video.rename(video.with_name("Carrying_light.mp4"))
    found = read(folder)
    assert found.clips["missing"].to_pylist() == ["", ""] and len(set(found.clips["instance"].to_pylist())) == 1
    assert found.classes[found.clips["label"][0].as_py()] == "carrying_light"


def test_35_classes_or_the_papers_37(tree: Tree) -> None:
    folder = tree((1, 1, 1, "using_phone"), (1, 3, 1, "using_phone"), (1, 3, 1, "talking_on_phone"), cameras=(1,))
    names = {}
    for desk in (False, True):
        found = read(folder, desk_classes=desk)
        assert len(found.classes) == len(set(found.classes)) == (37 if desk else 35)
        names[desk] = [found.classes[label] for label in found.clips["label"].to_pylist()]
    assert names[False] == ["using_phone", "talking_on_phone", "using_phone"]
    assert names[True] == ["using_phone", "talking_on_phone_desk", "using_phone_desk"]
    assert read(folder).digest != read(folder, desk_classes=True).digest


def test_a_camera_that_lacks_a_clip_is_noted(tree: Tree) -> None:
    folder = tree((1, 1, 1, "walking"), (1, 1, 2, "walking"))
    (folder / "trimmed/subject1/cam2/scene1/session2/walking.mp4").unlink()
    found = read(folder)
    assert found.clips.num_rows == 3 and found.notes == ("of 2 instances a camera lacks its clip (cam2 1)",)


@pytest.mark.parametrize("content", [b"", b"\n", b"time,x,y,z\n", None])
def test_a_sensor_without_a_sample_is_padded_and_counted_or_left_out(tree: Tree, content: bytes | None) -> None:
    folder = tree((1, 1, 1, "walking"), (17, 1, 1, "walking"))
    file = csv_of(folder, "gyro")
    file.unlink() if content is None else file.write_bytes(content)
    padded = read(folder)
    assert padded.clips["missing"].to_pylist() == ["gyro", "gyro", "", ""]
    assert padded.notes == ("1 of 2 instances lack a sensor's samples, which are padded (gyro 1)",)
    signal = Imu().read(folder, padded.clips["imu"][0].as_py(), mmact.SOURCES["imu"])
    assert np.isnan(signal[:, 6:9]).all() and np.isfinite(np.delete(signal, [6, 7, 8], axis=1)).all()
    left = read(folder, missing_sensors="exclude")
    assert left.clips["subject"].to_pylist() == [17, 17]
    assert left.notes == ("1 instances that lack a sensor's samples are left out",)
    assert left.digest != padded.digest


@pytest.mark.parametrize("rate", [None, 50])
@pytest.mark.parametrize("gone", [True, False])
def test_an_instance_without_any_sensor_is_padding(tree: Tree, rate: int | None, gone: bool) -> None:
    folder = tree((1, 1, 1, "walking"), (17, 1, 1, "walking"))
    for sensor in mmact_sensors.SENSORS:
        csv_of(folder, sensor).unlink() if gone else csv_of(folder, sensor).write_bytes(b"")
    found = read(folder)
    assert found.clips["imu_count"].to_pylist() == [1, 1, 60, 60] and "1 of 2 instances" in found.notes[0]
    table = Recordings.of(found, "imu", imu.Input(60, 12, rate)).table([0, 3])
    assert table["imu_length"].to_pylist() == [1, 60 if rate is None else 30]
    assert np.isnan(table["imu"][0].as_py()[:12]).all() and not np.any(table["imu"][0].as_py()[12:])
    assert read(folder, missing_sensors="exclude").clips["subject"].to_pylist() == [17, 17]


def test_videos_without_a_sensors_folder_for_their_session(tree: Tree) -> None:
    folder = tree((1, 1, 1, "walking"), (1, 1, 2, "walking"))
    for sensor in mmact_sensors.SENSORS:
        shutil.rmtree(csv_of(folder, sensor).parent)
    assert read(folder).clips["imu_count"].to_pylist() == [1, 1, 60, 60]


def test_less_than_the_encoder_looks_at_and_than_a_clip_holds_is_padded(tree: Tree) -> None:
    """The release's shortest clip has 22 frames; 46 samples of the gyroscope are 0.9 s."""
    folder = tree((1, 1, 1, "walking"))
    for sensor in mmact_sensors.SENSORS:
        csv_of(folder, sensor).write_text("".join(ROWS.splitlines(keepends=True)[: 20 if sensor == "gyro" else 40]))
    found = read(folder)
    assert (found.clips["imu_count"][0].as_py(), found.clips["video_count"][0].as_py()) == (40, 6)
    signals = Recordings.of(found, "imu", imu.Input(46, 12)).table([0])
    videos = Recordings.of(found, "video", video.Input(64, 16, 64, 16)).table([0])
    assert (signals["imu_length"][0].as_py(), videos["video_length"][0].as_py()) == (40, 6)
    signal = np.array(signals["imu"][0].as_py()).reshape(46, 12)
    assert np.isfinite(signal[:40, :6]).all() and np.isnan(signal[20:40, 6:9]).all() and not signal[40:].any()
    assert not np.array(videos["video"][0].as_py())[6 * 16 * 16 * 3 :].any()


def test_the_digest_is_of_the_content(tree: Tree) -> None:
    folder = tree((1, 1, 1, "walking"))
    before = read(folder)
    copy = folder.parent / "copy"
    shutil.copytree(folder, copy)
    assert read(copy).digest == before.digest
    csv_of(folder, "gyro").write_text(ROWS.replace("9.8", "9.7"))
    changed = read(folder)
    assert set(changed.clips["imu_content"].to_pylist()).isdisjoint(before.clips["imu_content"].to_pylist())
    assert changed.of(("video",)).digest == before.of(("video",)).digest and changed.digest != before.digest


def test_a_manifest_comes_back_as_it_was(tree: Tree, tmp_path: Path) -> None:
    folder = tree((1, 1, 1, "walking"))
    csv_of(folder, "gyro").unlink()
    found = read(folder)
    found.write(tmp_path / "manifest.parquet")
    back = Manifest.read(tmp_path / "manifest.parquet")
    assert (back.digest, back.notes, back.classes) == (found.digest, found.notes, found.classes)
    assert back.clips.equals(found.clips)


def test_signals_alone_are_those_of_the_views_and_no_header_is_read(
    tree: Tree, film: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tree((1, 1, 1, "walking"), (17, 1, 1, "walking"))
    csv_of(folder, "gyro").unlink()
    both = read(folder)
    put(folder / "trimmed/subject1/cam1/scene1/session1/walking.mp4", b"no video")
    monkeypatch.setattr(mmact.mp4, "read_header", lambda file: pytest.fail(f"{file} is opened"))
    alone = read(folder, ("imu",))
    assert alone.digest == both.of(("imu",)).digest and alone.clips.equals(both.of(("imu",)).clips)
    assert (alone.modalities, alone.shows, alone.bad, alone.notes) == (("imu",), {}, (), both.notes)
    assert read(folder, ("imu",), missing_sensors="exclude").clips["subject"].to_pylist() == [17, 17]


def test_videos_alone_need_no_sensor(tree: Tree) -> None:
    folder = tree((1, 1, 1, "walking"))
    both = read(folder)
    for sensor in mmact_sensors.SENSORS:
        shutil.rmtree(folder / f"{sensor}_clip")
    alone = read(folder, ("video",))
    assert alone.digest == both.of(("video",)).digest and alone.modalities == ("video",)
    with pytest.raises(ValueError, match="--missing-sensors: no sensor is read"):
        read(folder, ("video",), missing_sensors="exclude")
    with pytest.raises(ValueError, match="holds no a sensor's folder"):
        read(folder)

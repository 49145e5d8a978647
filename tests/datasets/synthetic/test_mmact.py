"""The synthetic corpus in MMAct's layout, with the release's oddities planted; read as MMAct, from both sources."""

import json
import shutil
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pytest

import experiments.prepare
from datasets import corpora, shards
from datasets.corpora import mmact
from datasets.decoding import Recordings
from datasets.estimate import estimate
from datasets.manifest import Manifest
from datasets.modalities import imu, video
from datasets.modalities.imu import Imu
from datasets.signals import mmact_sensors
from datasets.synthetic import mmact as synthetic_mmact
from datasets.videos import decode
from orchestrator.plan import paper
from orchestrator.plan.options import Options

BOTH = ("imu", "video")


def test_the_synthetic_corpus_is_read_as_mmact(desk: Path, tmp_path: Path) -> None:
    manifest = corpora.read("synthetic-mmact", desk, tmp_path, BOTH)
    assert manifest.shows == {"video": "drawn figure"} and paper.corpus_of(manifest.corpus) is None
    assert manifest.clips.num_rows == 16 and manifest.clips["missing"].to_pylist() == [""] * 16
    names = {manifest.classes[label] for label in manifest.clips["label"].to_pylist()}
    assert names == set(synthetic_mmact.AT_DESK)
    file = desk / manifest.clips["video"][0].as_py()
    with av.open(str(file)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264" and float(stream.average_rate or 0) == pytest.approx(29.97, abs=0.01)


def test_cameras_see_the_same_movement_from_their_own_side(desk: Path, tmp_path: Path) -> None:
    clips = corpora.read("synthetic-mmact", desk, tmp_path, BOTH).clips.to_pylist()
    films = [decode.decode_video(desk / clip["video"], 4, clip["video_count"], 48)[0].astype(int) for clip in clips[:4]]
    assert len({clip["video_count"] for clip in clips[:4]}) == 1
    for a in range(4):
        for b in range(a):
            assert np.abs(films[a] - films[b]).mean() > 1


def test_the_phone_is_in_the_pocket_and_the_watch_on_the_wrist(desk: Path, tmp_path: Path) -> None:
    clips = corpora.read("synthetic-mmact", desk, tmp_path, BOTH).clips.to_pylist()
    signal = Imu().read(desk, clips[0]["imu"], mmact.SOURCES["imu"])  # drinking
    assert "drinking" in clips[0]["clip"]
    for part in (signal[:, :3], signal[:, 3:6]):
        assert np.median(np.linalg.norm(part, axis=1)) == pytest.approx(9.8, abs=0.4)
    assert signal[:, 3:6].std(axis=0).max() > 3 * signal[:, :3].std(axis=0).max()  # only the hand moves
    gaps = np.diff(mmact_sensors.parse((desk / clips[0]["imu"].split("|")[0]).read_bytes())[0])
    assert (gaps < 0).any() and (gaps == 0).any()


def test_what_is_planted_is_read_back(tmp_path: Path) -> None:
    """Of ten instances: an empty gyroscope, no watch, a camera less and three, a second keyframe, names, padding."""
    folder = synthetic_mmact.write(tmp_path / "corpus", subjects=(8, 14), scenes=(1,), sessions=(2,))
    manifest = corpora.read("synthetic-mmact", folder, tmp_path, BOTH)
    assert manifest.bad == () and manifest.notes == (
        "2 of 10 instances lack a sensor's samples, which are padded (acc_watch 1, gyro 1)",
        "of 10 instances a camera lacks its clip (cam2 1, cam3 2, cam4 1)",
    )
    clips = {clip["clip"]: clip for clip in manifest.clips.to_pylist()}
    assert len(clips) == 36
    assert clips["subject14_scene1_session2_using_phone_cam1"]["missing"] == "acc_watch"
    carried = clips["subject14_scene1_session2_carrying_light_cam4"]
    assert carried["missing"] == "gyro" and carried["video"].endswith("/Carrying_light.mp4")
    assert "gyro_clip/subject08/" in clips["subject8_scene1_session2_walking_cam1"]["imu"]
    cameras = [clip["camera"] for clip in clips.values() if "subject14_scene1_session2_talking" in clip["clip"]]
    assert cameras == [1]
    file = folder / clips["subject8_scene1_session2_using_phone_cam2"]["video"]
    with av.open(str(file)) as container:
        keyframes = [i for i, frame in enumerate(container.decode(video=0)) if frame.key_frame]
    assert keyframes == [0, synthetic_mmact.SECOND_KEYFRAME]


def test_subject_8_lacks_session_5_of_scene_2() -> None:
    made = synthetic_mmact.performed((8, 14), (1, 2), (2, 5))
    sessions = {(subject, scene, session) for _, subject, scene, session, _ in made}
    assert len(sessions) == 7 and (8, 2, 5) not in sessions and [number for number, *_ in made] == list(range(35))


def test_quirks_are_planted_where_the_release_has_them(tmp_path: Path) -> None:
    csv, videos = synthetic_mmact.files(tmp_path, (0, 14, 1, 2, "carrying_light"))
    assert {path.name for path in (*csv.values(), *videos.values())} == {"Carrying_light.csv", "Carrying_light.mp4"}
    assert len(videos) == 4 and "subject14" in str(csv["gyro"])
    assert "subject08" in str(synthetic_mmact.files(tmp_path, (0, 8, 1, 2, "walking"))[0]["gyro"])
    assert set(synthetic_mmact.files(tmp_path, (84, 8, 1, 2, "walking"))[0]) == {"acc_phone", "gyro", "orientation"}
    assert set(synthetic_mmact.files(tmp_path, (5, 8, 1, 2, "walking"))[1]) == {1, 2, 4}


def test_poses_are_added_to_what_is_there(desk: Path, tmp_path: Path) -> None:
    """A file for each clip, a member for each frame of its video; nothing else changes, and the clips stay the same."""
    folder = shutil.copytree(desk, tmp_path / "corpus")
    before = {file: file.stat().st_mtime_ns for file in folder.rglob("*.*")}
    few: dict[str, Any] = {"subjects": (14,), "scenes": (3,), "sessions": (2,), "modalities": ("imu", "skeleton")}
    told: list[tuple[int, int]] = []
    synthetic_mmact.write(folder, **few, on_progress=lambda *done: told.append(done))
    after = {file: file.stat().st_mtime_ns for file in folder.rglob("*.*")}
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)] and after.items() >= before.items()
    added = {str(file.relative_to(folder)) for file in after.keys() - before.keys()}
    assert len(added) == 16 and "pose/cross_scene/trainval/subject14/cam4/scene3/session2/drinking.json" in added
    clips = corpora.read("synthetic-mmact", folder, tmp_path, BOTH).clips.to_pylist()
    for clip in clips:
        part = "cross_scene" if clip["camera"] == 4 else "cross_view"
        video = Path(clip["video"]).relative_to("trimmed").with_suffix(".json")
        frames = json.loads((folder / "pose" / part / "trainval" / video).read_text())
        assert list(frames) == [str(k) for k in range(clip["video_count"])]
        assert {len(person) for frame in frames.values() for person in frame.values()} == {51}
        assert frames["0"] == frames["1"], "the video's frames repeat too"
    posed = corpora.read("synthetic-mmact", folder, tmp_path, ("skeleton",))
    assert posed.bad == () and posed.clips["skeleton_count"].to_pylist() == [clip["video_count"] for clip in clips]
    assert posed.notes[0].startswith("4 skeleton files: samples show several people")
    bytes_of = {name: (folder / name).read_bytes() for name in added}
    shutil.rmtree(folder / "pose")
    synthetic_mmact.write(folder, **few)
    assert {name: (folder / name).read_bytes() for name in added} == bytes_of
    with pytest.raises(ValueError, match="has no recordings of depth, only of imu, video, skeleton"):
        synthetic_mmact.write(folder, **{**few, "modalities": ("depth",)})


def test_in_some_poses_there_is_nobody(desk: Path, tmp_path: Path) -> None:
    """Of the instance numbered 12: its clips are read as those that lack their skeleton."""
    shutil.copytree(desk, tmp_path / "corpus")
    synthetic_mmact._write_instance(tmp_path / "corpus", 0, ((12, 14, 3, 2, "drinking"), True))
    file = tmp_path / "corpus/pose/cross_view/trainval/subject14/cam1/scene3/session2/drinking.json"
    assert {tuple(frame) for frame in json.loads(file.read_text()).values()} == {("person1",)}
    read = corpora.read("synthetic-mmact", tmp_path / "corpus", tmp_path, ("skeleton",))
    assert read.bad == () and read.clips["skeleton"].null_count == 16


def test_a_camera_lacks_the_poses_of_some_clips(tmp_path: Path) -> None:
    instances = [(number, 17, 1, 2, "walking") for number in range(16)]
    lacking = [set(synthetic_mmact.files(tmp_path, i)[1]) - set(synthetic_mmact.poses(tmp_path, i)) for i in instances]
    assert [number for number, cameras in enumerate(lacking) if cameras] == [6] and lacking[6] == {2}


def test_an_estimate_has_a_bound_that_needs_no_measuring(desk: Path, tmp_path: Path) -> None:
    manifest = corpora.read("synthetic-mmact", desk, tmp_path, BOTH)
    longest = manifest.longest("imu")
    both = {"imu": imu.Input(longest, 12), "video": video.Input(4, 24, 4, 24)}
    found = estimate(manifest, both)
    assert (found.measured, found.clips) == (8, 16)
    assert found.lengths == {name: sum(manifest.clips[f"{name}_count"].to_pylist()) for name in BOTH}
    assert found.raw_bytes == 16 * (4 * 24 * 24 * 3 + longest * 12 * 4) and found.core_seconds > 0
    assert estimate(manifest, {"imu": both["imu"]}).raw_bytes == 16 * longest * 12 * 4
    assert 0 < found.shard_bytes < found.raw_bytes + 20_000
    assert f"GB on disk (at most {found.raw_bytes / 1e9:.3g} GB, uncompressed) and" in found.describe()


def test_a_dry_run_of_prepare_says_what_shards_take(
    desk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(experiments.prepare.console, "width", 300)
    options = Options("mmact", desk, storage=tmp_path / "storage", protocol="cross-subject", dry_run=True)
    assert experiments.prepare.prepare(options) == 0
    said = capsys.readouterr().out
    assert "16 clips" in said and "GB, uncompressed) and" in said and "free at" in said
    assert not (tmp_path / "storage/shards").exists()


def test_recordings_give_what_shards_hold(desk: Path, tmp_path: Path) -> None:
    manifest = corpora.read("synthetic-mmact", desk, tmp_path, BOTH)
    for rate in (None, 50):
        given = imu.Input(manifest.longest("imu", rate), 12, rate)
        recordings = Recordings.of(manifest, "imu", given)
        shards.write_table(recordings.table(range(16)), tmp_path / "part-00000.parquet")
        held = shards.Shards(tmp_path, "imu", Imu().stored(given), ("part-00000.parquet",), (16,))
        rows = [1, 5, 6]
        stored = held.table(rows)
        assert _bits(stored) == _bits(recordings.table(rows))
        assert stored["imu_length"].to_pylist() == [len(_signal(manifest, row, rate)) for row in rows]


def _signal(manifest: Manifest, row: int, rate: int | None) -> np.ndarray:
    return Imu().read(manifest.root, manifest.clips["imu"][row].as_py(), mmact.SOURCES["imu"], rate)


def _bits(table: pa.Table) -> list[bytes]:
    """NaN is unequal to itself; its bits aren't."""
    flat = [np.concatenate([np.ravel(row) for row in table[name].to_pylist()]) for name in table.column_names]
    return [values.tobytes() for values in flat]

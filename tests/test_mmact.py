"""MMAct's reader: a test for each oddity of the release, on trees of tiny files."""

import os
import shutil
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import PictureType

from datasets import corpora, decode, mp4, shards, signals, undecoded
from datasets.corpora import mmact
from datasets.manifest import BadRecordings, Manifest
from datasets.spec import Sampling

STAMP = "20181016_13:37:28"
ROWS = "".join(f"{STAMP}.{i:02d}0000,{i},9.8,-0.5\n" for i in range(60))


def written(file: Path, images: Sequence[np.ndarray], keyframes: tuple[int, ...] = (0,), kind: str = "mp4") -> Path:
    """H.264, or of an AVI MPEG-4."""
    with av.open(str(file), "w", format=kind) as container:
        codec, options = ("libx264", {"sc_threshold": "0", "g": "1000"}) if kind == "mp4" else ("mpeg4", {})
        stream = container.add_stream(codec, rate=30, options=options)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for i, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            frame.pict_type = PictureType.I if i in keyframes else PictureType.NONE
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file


SIX = [np.full((32, 32, 3), 40 * i, np.uint8) for i in range(6)]


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Six frames of H.264."""
    return written(tmp_path_factory.mktemp("film") / "film.mp4", SIX).read_bytes()


Tree = Callable[..., Path]


@pytest.fixture
def tree(tmp_path: Path, film: bytes) -> Tree:
    """Writes instances with all sensors and two cameras, as tree((subject, scene, session, class), ...)."""

    def write(*instances: tuple, sensors: str = "", videos: str = "trimmed", cameras: tuple = (1, 2)) -> Path:
        write_instances(tmp_path, film, instances, sensors, videos, cameras)
        return tmp_path

    return write


def write_instances(
    folder: Path,
    film: bytes,
    instances: Sequence[tuple],
    sensors: str = "",
    videos: str = "trimmed",
    cameras: tuple = (1, 2),
) -> None:
    for subject, scene, session, name in instances:
        inner = f"scene{scene}/session{session}/{name}"
        for sensor in signals.SENSORS:
            put(folder / sensors / f"{sensor}_clip/subject{subject}/{inner}.csv", ROWS.encode())
        for camera in cameras:
            put(folder / videos / f"subject{subject}/cam{camera}/{inner}.mp4", film)


def put(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def read(folder: Path, **options: object) -> Manifest:
    return corpora.read("mmact", folder, folder.parent / "scans", **options)  # pyright: ignore[reportArgumentType]


def names_of(manifest: Manifest) -> list[str]:
    """Of each clip its class, sorted."""
    return sorted(manifest.classes[label] for label in manifest.clips["label"].to_pylist())


def csv_of(folder: Path, sensor: str, where: str = "subject1/scene1/session1/walking") -> Path:
    return folder / f"{sensor}_clip" / f"{where}.csv"


# The tree


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
    assert {(c["frames"], c["samples"], c["missing"]) for c in clips} == {(6, 60, "")}
    assert (manifest.corpus, manifest.video, manifest.notes) == ("MMAct", "RGB", ())


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
    for sensor, parent in zip(signals.SENSORS, ("acc", "watch", "gyro", "ori"), strict=True):
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
    signal = corpora.signal("mmact", folder, padded.clips["imu"][0].as_py())
    assert np.isnan(signal[:, 6:9]).all() and np.isfinite(np.delete(signal, [6, 7, 8], axis=1)).all()
    left = read(folder, missing_sensors="exclude")
    assert left.clips["subject"].to_pylist() == [17, 17]
    assert left.notes == ("1 instances that lack a sensor's samples are left out",)
    assert left.digest != padded.digest


@pytest.mark.parametrize("rate", [None, 50])
@pytest.mark.parametrize("gone", [True, False])
def test_an_instance_without_any_sensor_is_padding(tree: Tree, rate: int | None, gone: bool) -> None:
    folder = tree((1, 1, 1, "walking"), (17, 1, 1, "walking"))
    for sensor in signals.SENSORS:
        csv_of(folder, sensor).unlink() if gone else csv_of(folder, sensor).write_bytes(b"")
    found = read(folder)
    assert found.clips["samples"].to_pylist() == [1, 1, 60, 60] and "1 of 2 instances" in found.notes[0]
    sampling = Sampling(4, 16, 60, channels=12, rate=rate)
    table = shards.Recordings.of(found, sampling).decode([0, 3])
    assert table["imu_length"].to_pylist() == [1, 60 if rate is None else 30]
    assert np.isnan(table["imu"][0].as_py()[:12]).all() and not np.any(table["imu"][0].as_py()[12:])
    assert read(folder, missing_sensors="exclude").clips["subject"].to_pylist() == [17, 17]


def test_videos_without_a_sensors_folder_for_their_session(tree: Tree) -> None:
    folder = tree((1, 1, 1, "walking"), (1, 1, 2, "walking"))
    for sensor in signals.SENSORS:
        shutil.rmtree(csv_of(folder, sensor).parent)
    assert read(folder).clips["samples"].to_pylist() == [1, 1, 60, 60]


def test_less_than_the_encoder_looks_at_and_than_a_clip_holds_is_padded(tree: Tree) -> None:
    """The release's shortest clip has 22 frames; 46 samples of the gyroscope are 0.9 s."""
    folder = tree((1, 1, 1, "walking"))
    for sensor in signals.SENSORS:
        csv_of(folder, sensor).write_text("".join(ROWS.splitlines(keepends=True)[: 20 if sensor == "gyro" else 40]))
    found = read(folder)
    assert (found.clips["samples"][0].as_py(), found.clips["frames"][0].as_py()) == (40, 6)
    table = shards.Recordings.of(found, Sampling(64, 16, 46, channels=12)).decode([0])
    assert (table["imu_length"][0].as_py(), table["video_length"][0].as_py()) == (40, 6)
    imu = np.array(table["imu"][0].as_py()).reshape(46, 12)
    assert np.isfinite(imu[:40, :6]).all() and np.isnan(imu[20:40, 6:9]).all() and not imu[40:].any()
    assert not np.array(table["video"][0].as_py())[6 * 16 * 16 * 3 :].any()


def test_the_digest_is_of_the_content(tree: Tree) -> None:
    folder = tree((1, 1, 1, "walking"))
    before = read(folder)
    copy = folder.parent / "copy"
    shutil.copytree(folder, copy)
    assert read(copy).digest == before.digest
    csv_of(folder, "gyro").write_text(ROWS.replace("9.8", "9.7"))
    changed = read(folder).clips["content"].to_pylist()
    assert set(changed).isdisjoint(before.clips["content"].to_pylist())


def test_a_manifest_comes_back_as_it_was(tree: Tree, tmp_path: Path) -> None:
    folder = tree((1, 1, 1, "walking"))
    csv_of(folder, "gyro").unlink()
    found = read(folder)
    found.write(tmp_path / "manifest.parquet")
    back = Manifest.read(tmp_path / "manifest.parquet")
    assert (back.digest, back.notes, back.classes) == (found.digest, found.notes, found.classes)
    assert back.clips.equals(found.clips)


# What is bad


def bad(folder: Path) -> dict[str, str]:
    with pytest.raises(BadRecordings) as raised:
        read(folder)
    return {b.file: b.reason for b in raised.value.bad}


@pytest.mark.parametrize("name", ["sesion1", "session", "session_1", "session0"])
def test_a_session_folder_with_a_wrong_name(tree: Tree, name: str) -> None:
    folder = tree((1, 1, 1, "walking"), (1, 1, 2, "walking"))
    for parent in ("gyro_clip/subject1/scene1", "trimmed/subject1/cam1/scene1"):
        (folder / parent / "session1").rename(folder / parent / name)
    found = bad(folder)
    assert set(found) == {f"gyro_clip/subject1/scene1/{name}", f"trimmed/subject1/cam1/scene1/{name}"}
    assert found[f"trimmed/subject1/cam1/scene1/{name}"] == "is not named as in subjectN/camN/sceneN/sessionN"
    assert read(folder, skip_bad=True).clips.num_rows == 3


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (f"{STAMP}.5,1,2\n", "Row #1: Expected 4 columns, got 3"),
        (f"{ROWS}{STAMP}.9,1,2\n", "Row #61: Expected 4 columns, got 3"),
        (f"time,x,y,z\n{ROWS}{STAMP}.9,1,2\n", "Row #62: Expected 4 columns, got 3"),
        ("hello\n", "it begins with 'hello', neither a row nor names of columns"),
        (f"x,y,z,time\n{ROWS}", "it begins with 'x,y,z,time', neither a row nor names"),
        (f"{ROWS}{STAMP}.9,1,2,3,4\n", "Expected 4 columns, got 5"),
        (f"{ROWS}2018-10-16 13:37:29,1,2,3\n", "isn't of the form 20181016_13:37:28.612000: '2018-10-16 13:37:29'"),
        (f"{ROWS}20181316_13:37:28,1,2,3\n", "has a time stamp of no such day or time"),
        (f"{ROWS}{STAMP},1,nan,3\n", "1 values that are NaN or infinite"),
        (f"{ROWS}{STAMP},1,,3\n", "invalid value ''"),
        (f"{ROWS}{STAMP},1,left,3\n", "invalid value 'left'"),
    ],
)
def test_a_bad_csv_is_named_with_its_fault(tree: Tree, content: str, reason: str) -> None:
    folder = tree((1, 1, 1, "walking"), (1, 1, 2, "walking"))
    csv_of(folder, "acc_watch").write_text(content)
    found = bad(folder)
    assert list(found) == ["acc_watch_clip/subject1/scene1/session1/walking.csv"] and reason in next(
        iter(found.values())
    )
    assert read(folder, skip_bad=True).clips["trial"].to_pylist() == [2, 2]


def sound_only() -> bytes:
    file = Path("sound.mp4")
    with av.open(str(file), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file.read_bytes()


def box(kind: bytes, content: bytes = b"", length: int | None = None) -> bytes:
    """With a length of 64 bits where one is given, true or not."""
    if length is None:
        return struct.pack(">I4s", 8 + len(content), kind) + content
    return struct.pack(">I4sQ", 1, kind, length) + content


def promising(film: bytes, frames: int) -> bytes:
    """The film, with so many frames in its table of sizes."""
    at = film.index(b"stsz") + 12
    return film[:at] + struct.pack(">I", frames) + film[at + 4 :]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda film: b"", "has no moov box"),
        (lambda film: film[: len(film) // 2], "is cut off"),
        (lambda film: written(Path("film.avi"), SIX, kind="avi").read_bytes(), "is an AVI file, not the MP4"),
        (lambda film: b"\x1aE\xdf\xa3" * 9, "is a Matroska or WebM file, not the MP4"),
        (lambda film: sound_only(), "has no video stream"),
        (lambda film: box(b"ftyp") + box(b"moov", length=1 << 62), "is cut off"),
        (lambda film: box(b"moov", bytes(mp4.MAX_HEADER_BYTES)), "more than 32 MB"),
        (lambda film: promising(film, decode.MAX_FRAMES + 1), "has 200001 frames, more than 200000"),
        (lambda film: promising(film, 2**32 - 1), "has 4294967295 frames, more than 200000"),
    ],
)
def test_a_bad_video_is_named_and_the_other_view_stays(
    tree: Tree, film: bytes, spoil: Callable, reason: str, monkeypatch: pytest.MonkeyPatch, tmp_path_factory
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("cwd"))
    folder = tree((1, 1, 1, "walking"))
    (folder / "trimmed/subject1/cam2/scene1/session1/walking.mp4").write_bytes(spoil(film))
    found = bad(folder)
    assert list(found) == ["trimmed/subject1/cam2/scene1/session1/walking.mp4"] and reason in str(found)
    assert read(folder, skip_bad=True).clips["camera"].to_pylist() == [1]


@pytest.mark.parametrize("where", ["gyro_clip/{}.csv", "trimmed/subject1/cam2/scene1/session1/walking.mp4"])
def test_a_pipe_is_not_waited_for(tree: Tree, where: str) -> None:
    folder = tree((1, 1, 1, "walking"), (1, 1, 2, "walking"))
    name = where.format("subject1/scene1/session1/walking")
    (folder / name).unlink()
    os.mkfifo(folder / name)
    assert bad(folder) == {name: "is no regular file"}


def test_a_csv_has_so_many_bytes_and_so_have_those_of_a_session(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tree((1, 1, 1, "walking"), (1, 1, 2, "walking"))
    large = "gyro_clip/subject1/scene1/session1/walking.csv"
    with (folder / large).open("r+b") as file:
        file.truncate(mmact.MAX_BYTES + 1)
    assert bad(folder) == {large: "is larger than 16 MB"}
    (folder / large).write_text(ROWS)
    monkeypatch.setattr(mmact, "SESSION_BYTES", 3 * len(ROWS))
    assert list(bad(folder)) == [f"orientation_clip/subject1/scene1/session{n}/walking.csv" for n in (1, 2)]


@pytest.mark.parametrize("content", [b"null", b"[" * 100_000, b"{", b'{"video": "depth"}', b"\xff\xfe"])
def test_a_corpus_json_that_says_nothing_is_named(tree: Tree, content: bytes) -> None:
    folder = tree((1, 1, 1, "walking"))
    (folder / "corpus.json").write_bytes(content)
    with pytest.raises(ValueError, match=rf"{folder}/corpus\.json: is not of the form"):
        read(folder)


def test_numbers_of_many_digits_are_no_subjects_or_sessions(tree: Tree) -> None:
    folder = tree((1, 1, 1, "walking"))
    put(folder / "trimmed/subject99999999999/cam1/scene1/session1/walking.mp4", b"")
    put(csv_of(folder, "gyro", "subject1/scene1/session100/walking"), ROWS.encode())
    assert bad(folder) == {
        "trimmed/subject99999999999": "is not named as in subjectN/camN/sceneN/sessionN",
        "gyro_clip/subject1/scene1/session100": "is not named as in subjectN/sceneN/sessionN",
    }


def test_an_instance_that_no_camera_saw_and_a_class_that_is_none(tree: Tree) -> None:
    folder = tree((1, 1, 1, "walking"))
    for where in ("session1/running", "session2/walking"):
        put(csv_of(folder, "gyro", f"subject1/scene1/{where}"), ROWS.encode())
    found = read(folder)
    assert found.notes == ("2 instances have signals and no clip, and are left out",) and found.clips.num_rows == 2
    csv_of(folder, "gyro").unlink()
    lacking = read(folder)
    assert lacking.notes == (*found.notes, "1 of 1 instances lack a sensor's samples, which are padded (gyro 1)")
    put(csv_of(folder, "gyro", "subject1/scene1/session1/swimming"), ROWS.encode())
    assert bad(folder) == {"gyro_clip/subject1/scene1/session1/swimming.csv": "is not named CLASS.csv after a class"}


@pytest.mark.parametrize("spoil", [lambda file: file.symlink_to(file.parent / "gone"), Path.mkdir])
@pytest.mark.parametrize(
    "file", ["gyro_clip/subject1/scene1/session1/walking.csv", "trimmed/subject1/cam1/scene1/session1/walking.mp4"]
)
def test_a_link_to_nothing_and_a_folder_are_bad_files(tree: Tree, file: str, spoil: Callable) -> None:
    folder = tree((1, 1, 1, "walking"), (1, 1, 2, "walking"))
    (folder / file).unlink()
    spoil(folder / file)
    found = bad(folder)
    assert list(found) == [file] and ("No such file" in found[file] or "is no regular file" in found[file])
    assert read(folder, skip_bad=True).clips.num_rows == (2 if file.endswith("csv") else 3)


def test_a_sensor_that_goes_bad_after_the_manifest_is_named(tree: Tree) -> None:
    folder = tree((1, 1, 1, "walking"))
    found = read(folder)
    recordings = shards.Recordings.of(found, Sampling(4, 16, 60, channels=12))
    file = csv_of(folder, "acc_watch")
    file.write_text(f"{STAMP},1,2\n")
    with pytest.raises(ValueError, match=rf"^{file}: is no CSV of time,x,y,z .*Row #1: Expected 4 columns, got 3"):
        recordings.decode([0])
    file.write_text(ROWS * 2)
    _, [named] = recordings.tried([0, 1])
    assert named.file == "acc_phone_clip/subject1/scene1/session1/walking.csv"
    assert named.reason == "with its other sensors, a signal of 120 samples doesn't fit into 60"
    file.unlink()
    _, [named] = recordings.tried([0, 1])
    assert (named.file, named.reason) == (str(file.relative_to(folder)), "can't be read (No such file or directory)")


@pytest.mark.parametrize(("gone", "words"), [("*_clip", "a sensor's folder"), ("trimmed", "videos (subjectN/camN")])
def test_a_folder_that_is_no_mmact_is_refused(tree: Tree, gone: str, words: str) -> None:
    folder = tree((1, 1, 1, "walking"))
    for path in folder.glob(gone):
        shutil.rmtree(path)
    with pytest.raises(ValueError, match=r"holds no .* Unpack MMAct's archives there") as raised:
        read(folder)
    assert words in str(raised.value)


def test_mmacts_options_are_for_mmact(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="MMAct alone"):
        corpora.read("utd-mhad", tmp_path, tmp_path, desk_classes=True)


# Video


def test_the_header_says_how_many_frames_decoding_gives(tree: Tree) -> None:
    file = tree((1, 1, 1, "walking")) / "trimmed/subject1/cam1/scene1/session1/walking.mp4"
    assert mp4.read_header(file)[0] == decode.count_frames(file) == 6
    video, count = decode.decode_video(file, 4, 6, 16)
    assert count == 4 and (np.diff(video.mean(axis=(1, 2, 3))) > 20).all()
    with pytest.raises(ValueError, match=r"walking\.mp4: 3 of 4 sampled frames decoded, 6 of 7 in all"):
        decode.decode_video(file, 4, 7, 16)


def test_a_second_keyframe_changes_no_frame(tmp_path: Path) -> None:
    """As the release's clips have one: what is kept is what decoding all of them gives."""
    rng = np.random.default_rng(0)
    images = [np.kron(rng.integers(0, 255, (4, 4, 3)), np.ones((12, 12, 1))).astype(np.uint8) for _ in range(20)]
    file = written(tmp_path / "film.mp4", images, keyframes=(0, 12))
    with av.open(str(file)) as container:
        frames = list(container.decode(video=0))
    assert [i for i, frame in enumerate(frames) if frame.key_frame] == [0, 12]
    assert mp4.read_header(file)[0] == len(frames) == 20
    kept, count = decode.decode_video(file, 8, 20, 24)
    assert count == 8
    for i, at in enumerate(decode.sample_times(20, 8)):
        np.testing.assert_array_equal(kept[i].reshape(24, 72), decode._scaled(frames[at], 24, 24))


def test_damage_behind_a_whole_header_is_remembered(tree: Tree, film: bytes) -> None:
    """Reading the header finds nothing; decoding names every file, and from then on --skip-bad leaves them out."""
    folder = tree((1, 1, 1, "walking"), (1, 1, 2, "walking"))
    names = [f"trimmed/subject1/cam{camera}/scene1/session1/walking.mp4" for camera in (1, 2)]
    at = film.index(b"mdat") + 4
    for name in names:
        (folder / name).write_bytes(film[:at] + b"\xff" * 600 + film[at + 600 :])
    found = read(folder)
    table, wrong = shards.Recordings.of(found, Sampling(4, 16, 60, channels=12)).tried(range(4))
    assert table is None and [b.file for b in wrong] == names and all(b.reason for b in wrong)
    undecoded.remember(folder.parent / "scans", found.root, wrong[:1])
    undecoded.remember(folder.parent / "scans", found.root, wrong[1:])
    assert read(folder).digest == found.digest, "without --skip-bad they are tried again"
    fewer = read(folder, skip_bad=True)
    assert fewer.clips["trial"].to_pylist() == [2, 2] and fewer.bad == tuple(wrong) and fewer.digest != found.digest
    (folder / names[1]).write_bytes(film)
    mended = read(folder, skip_bad=True)
    assert mended.clips["camera"].to_pylist() == [2, 1, 2] and mended.bad == (wrong[0],)
    assert mended.notes == ("of 2 instances a camera lacks its clip (cam1 1)",)

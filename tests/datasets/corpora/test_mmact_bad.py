"""MMAct's reader on what is bad: each file is named with its fault, and the others stay."""

import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from datasets import corpora, sharding, undecoded
from datasets.corpora import mmact
from datasets.decoding import Recordings
from datasets.modalities import imu, video
from datasets.videos import decode, mp4, video_file
from tests.support.recordings import films
from tests.support.recordings.films import count_frames
from tests.support.recordings.mmact_files import ROWS, SIX, STAMP, Tree, bad, csv_of, put, read, written


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
        (lambda film: b"", "is empty: copy or download it again"),
        (lambda film: b"film" * 99, "is no MP4 file"),
        (lambda film: film[: len(film) // 2], "is cut off"),
        (lambda film: written(Path("film.avi"), SIX, kind="avi").read_bytes(), "is an AVI file, not the MP4"),
        (lambda film: b"\x1aE\xdf\xa3" * 9, "is a Matroska or WebM file, not the MP4"),
        (lambda film: sound_only(), "has no video stream"),
        (lambda film: box(b"ftyp") + box(b"moov", length=1 << 62), "is cut off"),
        (lambda film: box(b"moov", bytes(mp4.MAX_HEADER_BYTES)), "more than 32 MB"),
        (lambda film: promising(film, video_file.MAX_FRAMES + 1), "has 200001 frames, more than 200000"),
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
    assert list(found) == [file] and ("gone, which isn't there" in found[file] or "is no regular file" in found[file])
    assert read(folder, skip_bad=True).clips.num_rows == (2 if file.endswith("csv") else 3)


def test_a_sensor_that_goes_bad_after_the_manifest_is_named(tree: Tree) -> None:
    folder = tree((1, 1, 1, "walking"))
    found = read(folder)
    recordings = Recordings.of(found, "imu", imu.Input(60, 12))
    file = csv_of(folder, "acc_watch")
    file.write_text(f"{STAMP},1,2\n")
    with pytest.raises(ValueError, match=rf"^{file}: is no CSV of time,x,y,z .*Row #1: Expected 4 columns, got 3"):
        recordings.table([0])
    file.write_text(ROWS * 2)
    _, [named], _ = recordings.tried([0, 1])
    assert named.file == "acc_phone_clip/subject1/scene1/session1/walking.csv"
    assert named.reason == "with its other sensors, is 120x12 and doesn't fit into 60x12: it changed while in use"
    file.unlink()
    _, [named], _ = recordings.tried([0, 1])
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
        corpora.read("utd-mhad", tmp_path, tmp_path, ("imu",), desk_classes=True)


# Video


def test_the_header_says_how_many_frames_decoding_gives(tree: Tree) -> None:
    file = tree((1, 1, 1, "walking")) / "trimmed/subject1/cam1/scene1/session1/walking.mp4"
    assert mp4.read_header(file)[0] == count_frames(file) == 6
    frames, count = decode.decode_video(file, 4, 6, 16)
    assert count == 4 and (np.diff(frames.mean(axis=(1, 2, 3))) > 20).all()
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
        np.testing.assert_array_equal(kept[i], decode._scaled(frames[at], 24, 24))


def test_a_packet_that_only_decoding_finds_is_noted_with_the_shards(
    ray_local: None, tree: Tree, tmp_path: Path
) -> None:
    folder = tree((1, 1, 1, "walking"), (17, 1, 1, "walking"))
    name = "trimmed/subject1/cam1/scene1/session1/walking.mp4"
    film = films.film(tmp_path / "noise.mp4", films.noise(36), options=films.GROUPS)
    films.spoil(film, range(20, 21))
    (folder / name).write_bytes(film.read_bytes())
    found = read(folder)
    assert found.notes == () and found.clips["video_count"].to_pylist() == [36, 6, 6, 6]
    how = tmp_path / "storage", found, "video", video.Input(4, 16, 4, 16)
    made = sharding.write(*how)
    words = f"1 video: packets that can't be decoded are left out, the other frames are read: {name} (1 of 36)"
    assert made.notes == (words,)
    assert sharding.write(*how).notes == (words,), "where they were there already"
    (made.folder / "index.json").unlink()
    assert sharding.write(*how).notes == (words,), "of a start that was cut off"


def test_damage_behind_a_whole_header_is_remembered(tree: Tree, film: bytes) -> None:
    """Reading the header finds nothing; decoding names every file, and from then on --skip-bad leaves them out."""
    folder = tree((1, 1, 1, "walking"), (1, 1, 2, "walking"))
    names = [f"trimmed/subject1/cam{camera}/scene1/session1/walking.mp4" for camera in (1, 2)]
    at = film.index(b"mdat") + 4
    for name in names:
        (folder / name).write_bytes(film[:at] + b"\xff" * 600 + film[at + 600 :])
    found = read(folder)
    table, wrong, _ = Recordings.of(found, "video", video.Input(4, 16, 4, 16)).tried(range(4))
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

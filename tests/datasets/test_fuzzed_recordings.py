"""Broken recordings: mutations of whole ones are read, or refused with a message that names the file.

tests/support/fuzzing.py says how many are tried.
"""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import strategies as st
from scipy.io import savemat

from datasets import corpora
from datasets.corpora import about
from datasets.corpora.recordings import Recorded, checked
from datasets.files import sandbox
from datasets.modalities.imu import Imu
from datasets.signals import inertial
from datasets.skeletons.joints import KINECT
from datasets.videos import decode, mp4, video_file
from tests.support.recordings import fuzzing
from tests.support.recordings.films import count_frames
from tests.support.recordings.fuzzing import OUTCOMES, tried
from tests.support.recordings.mutation import Edit, edits, mutated


@pytest.fixture(scope="module", autouse=True)
def counted() -> Iterator[None]:
    with fuzzing.counted():
        yield


def film(codec: str, form: str) -> bytes:
    out = io.BytesIO()
    noise = np.random.default_rng(0)
    with av.open(out, "w", format=form) as container:
        stream = container.add_stream(codec, rate=15)
        stream.width, stream.height = 48, 32
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for _ in range(5):
            image = noise.integers(0, 255, (32, 48, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return out.getvalue()


def mat(**how: object) -> bytes:
    out = io.BytesIO()
    savemat(out, {"d_iner": np.random.default_rng(0).normal(size=(20, 6))}, **how)  # pyright: ignore
    return out.getvalue()


def depth(kind: str) -> bytes:
    out, frames = io.BytesIO(), np.random.default_rng(0).integers(1900, 2100, (10, 16, 20), np.uint16)
    if kind == "mat":
        savemat(out, {"d_depth": frames.transpose(1, 2, 0)}, do_compression=True)
    else:
        np.savez_compressed(out, depth=frames)
    return out.getvalue()


def skeleton(kind: str) -> bytes:
    out, at_SJD = io.BytesIO(), np.random.default_rng(0).normal(size=(12, 20, 3))
    if kind == "mat":
        savemat(out, {"d_skel": at_SJD.transpose(1, 2, 0)}, do_compression=True)
    elif kind == "npz":
        np.savez_compressed(out, skeleton=at_SJD)
    else:
        np.savetxt(out, at_SJD.reshape(12, -1), delimiter=",", header=",".join(KINECT.columns), comments="")
    return out.getvalue()


def pose(kind: str) -> bytes:
    """Two people in twelve frames, as the challenge gives them or a line a frame."""
    people = np.random.default_rng(0).uniform(0, 1, (12, 2, 51)).round(3).tolist()
    if kind == "lines":
        rows = [{"frame": at, "predictions": [{"keypoints": one} for one in two]} for at, two in enumerate(people, 1)]
        return "\n".join(map(json.dumps, rows)).encode()
    return json.dumps({str(at): {"person1": one, "person2": two} for at, (one, two) in enumerate(people, 1)}).encode()


SEMICOLONS = (
    b"\xef\xbb\xbf# wrist\nsep=;\ntime;" + ";".join(inertial.CHANNELS).encode() + b"\r\n" + b"1;2;3;4;5;6;7\r\n" * 60
)
# As a clip's two files are scanned and decoded.
PAIRED = {
    "avi": [film("mpeg4", "avi"), film("mjpeg", "avi")],
    "mp4": [film("mpeg4", "mp4"), film("libx264", "mp4"), film("mjpeg", "mov")],
    "mat": [mat(), mat(do_compression=True), mat(format="4")],
    "csv": [",".join(inertial.CHANNELS).encode() + b"\n" + b"0.1,-1e-3,2,3,4,5\n" * 60, SEMICOLONS],
    "mkv": [film("libx264", "matroska"), film("ffv1", "matroska")],
}

# What is read by itself: a corpus's description, a sensor's samples, the header of a video and poses as in MMAct, depth
# and skeletons.
ALONE = {
    "corpus.json": b'{"name": "UTD-MHAD", "video": "depth"}',
    "gyro.csv": b"".join(b"20181016_13:37:28.%02d0000,%d,9.8,-0.5\n" % (i, i) for i in range(60)),
    "a.mp4": PAIRED["mp4"][1],
    "a_depth.mat": depth("mat"),
    "a_depth.npz": depth("npz"),
    "a_skeleton.mat": skeleton("mat"),
    "a_skeleton.npz": skeleton("npz"),
    "a_skeleton.csv": skeleton("csv"),
    "challenge.json": pose("challenge"),
    "lines.json": pose("lines"),
}


def test_a_video_that_names_no_codec(tmp_path: Path) -> None:
    """Found by `make fuzz`: two words of an MP4 zeroed, at the front and near the end."""
    content = mutated(PAIRED["mp4"][0], [("set", 0.75, 1, bytes(4)), ("set", 0.46043624884319706, 1, bytes(4))])
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(ValueError, match="names no codec of its video"):
        count_frames(tmp_path / "a.mp4")


def scanned(kind: str, folder: Path, content: bytes) -> None:
    """As a corpus is read: what is bad is listed with its name; what is whole is decoded."""
    video, imu = folder / "a.avi", folder / ("a.csv" if kind == "csv" else "a.mat")
    video.write_bytes(PAIRED["avi"][0])
    imu.write_bytes(PAIRED[imu.suffix[1:]][0])
    changed = imu if kind in ("mat", "csv") else video
    changed.write_bytes(content)

    clip = Recorded("a", 1, 1, 0, {"imu": imu, "video": video})

    def read() -> None:
        clips, found, _ = checked(folder, "class-folders", [clip], ("imu", "video"))
        if found:
            raise ValueError("; ".join(f"{bad.file}: {bad.reason}" for bad in found))
        frames, length = decode.decode_video(video, 4, clips["video_count"][0].as_py(), 16, "motion")
        assert frames.shape == (4, 16, 16, 3) and 1 <= length <= 4
        assert np.isfinite(inertial.read_signal(imu)).all()

    tried(kind, changed, read)


def read_alone(file: Path) -> object:
    """Named as MMAct's reader names what it refuses."""
    if file.name == "corpus.json":
        return about.read(file.parent, "MMAct", {"video": "RGB"})
    try:
        if file.suffix == ".json":
            return sandbox.examine(corpora.SUMMARY, file, "skeleton", "mmact").count
        if file.stem == "a_skeleton":
            return sandbox.examine(corpora.SUMMARY, file, "skeleton", "utd-mhad").count
        if file.suffix == ".csv":
            return len(Imu().read(file.parent, f"||{file.name}|", corpora.of("mmact").source("imu")))
        if file.stem == "a_depth":
            return sandbox.examine(corpora.SUMMARY, file, "depth", "utd-mhad").count
        frames, _ = mp4.read_header(file)
    except ValueError as error:
        raise ValueError(f"{file.name}: {error}") from None
    assert 0 < frames <= video_file.MAX_FRAMES
    return frames


@pytest.mark.parametrize("kind", list(PAIRED))
def test_pairs(kind: str, tmp_path: Path) -> None:
    def each(content: bytes, changes: list[Edit]) -> None:
        scanned(kind, tmp_path, mutated(content, changes))

    fuzzing.fuzz({"content": st.sampled_from(PAIRED[kind]), "changes": edits}, each)


@pytest.mark.parametrize("name", list(ALONE))
def test_alone(name: str, tmp_path: Path) -> None:
    file = tmp_path / name

    def each(changes: list[Edit]) -> None:
        file.write_bytes(mutated(ALONE[name], changes))
        tried(name, file, lambda: read_alone(file))

    fuzzing.fuzz({"changes": edits}, each)


def test_any_json_as_a_corpus(tmp_path: Path) -> None:
    fuzzing.any_json("corpus.json", tmp_path / "corpus.json", read_alone)


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    """Of each kind, or all of the above would prove nothing."""
    for name, content in ALONE.items():
        (tmp_path / name).write_bytes(content)
        assert read_alone(tmp_path / name) is not None
    for kind, contents in PAIRED.items():
        for content in contents:
            before = OUTCOMES[kind, "read"]
            scanned(kind, tmp_path, content)
            assert OUTCOMES[kind, "read"] == before + 1


def test_a_scan_of_broken_files_leaves_nothing_half_written(recordings: Path, tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    for sub, suffix, kind in (("RGB", "color.avi", "avi"), ("Inertial", "inertial.mat", "mat")):
        (folder / sub).mkdir(parents=True)
        for trial in (1, 2):
            content = mutated(PAIRED[kind][0], [("cut", 0.3, 1, b"")])
            (folder / sub / f"a1_s1_t{trial}_{suffix}").write_bytes(content)
    with pytest.raises(ValueError, match=r"4 bad file\(s\)"):
        corpora.read("utd-mhad", folder, tmp_path / "cache", ("imu", "video"))
    assert [file.suffix for file in (tmp_path / "cache").iterdir()] == [".parquet"]

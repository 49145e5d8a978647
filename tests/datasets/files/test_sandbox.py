"""Recordings that would crash, hang or swell what reads them: refused with the reason, and the next file is read."""

import io
import os
import signal
import struct
import threading
import time
import zlib
from pathlib import Path

import av
import numpy as np
import pytest
from scipy.io import savemat

from datasets.corpora import SUMMARY, about
from datasets.corpora.recordings import Recorded, checked
from datasets.files import sandbox
from datasets.files.bad_file import BadFile
from datasets.signals import inertial
from datasets.videos import decode, video_file
from tests.support.recordings.films import count_frames


def film(file: Path, codec: str = "mpeg4", size: tuple[int, int] = (64, 48), frames: int = 6) -> Path:
    noise = np.random.default_rng(0)
    with av.open(str(file), "w") as container:
        stream = container.add_stream(codec, rate=15)
        stream.width, stream.height = size
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for _ in range(frames):
            image = noise.integers(0, 255, (size[1], size[0], 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return file


def test_frames_of_100_megapixels_are_refused_before_there_is_memory_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A black frame of 10000x10000 takes 100 kB as a PNG, and 100 MB or more once it is decoded."""
    file = tmp_path / "bomb.avi"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("png", rate=15)
        stream.width, stream.height, stream.pix_fmt = 10_000, 10_000, "gray"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((10_000, 10_000), np.uint8), format="gray")))
        container.mux(stream.encode())
    assert file.stat().st_size < 500_000
    with pytest.raises(ValueError, match="is no video that can be decoded"):
        count_frames(file)
    monkeypatch.setattr(video_file, "MAX_PIXELS", 200_000_000)
    with pytest.raises(ValueError, match="10000x10000, more than 8192 on a side"):
        count_frames(file)


def test_a_video_has_so_many_frames_and_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = film(tmp_path / "a.avi")
    assert count_frames(file) == 6
    with pytest.raises(ValueError, match=r"takes more than 1e-09 s to decode|can't|Immediate exit"):
        count_frames(file, seconds=1e-9)
    monkeypatch.setattr(video_file, "MAX_FRAMES", 5)
    with pytest.raises(ValueError, match="has more than 5 frames"):
        count_frames(file)
    with pytest.raises(ValueError, match=r"a\.avi: has more than 5 frames"):
        decode.decode_video(file, 8, 6, 16)


def test_a_playlist_called_avi_opens_no_other_file(tmp_path: Path) -> None:
    film(tmp_path / "secret.avi")
    playlist = tmp_path / "a1_s1_t1_color.avi"
    playlist.write_text("ffconcat version 1.0\nfile secret.avi\n")
    with av.open(str(playlist)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 6, "what FFmpeg does unless it is told not to"
    with pytest.raises(ValueError, match="is no video that can be decoded"):
        count_frames(playlist)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.avi")
    for read in (count_frames, inertial.read_mat):
        with pytest.raises(ValueError, match="is no regular file"):
            read(tmp_path / "a.avi")


def signal_file(file: Path, rows: int = 20, **how: bool) -> Path:
    savemat(file, {"d_iner": np.random.default_rng(0).normal(size=(rows, 6))}, **how)
    return file


def test_a_compressed_signal_is_the_same(tmp_path: Path) -> None:
    plain = inertial.read_mat(signal_file(tmp_path / "a.mat"))
    np.testing.assert_array_equal(inertial.read_mat(signal_file(tmp_path / "b.mat", do_compression=True)), plain)
    assert plain.shape == (20, 6)


def matrix(rows: int, data: bytes) -> bytes:
    """A MATLAB 5 element: d_iner, doubles, rows x 6."""
    flags, dims = struct.pack("<IIII", 6, 8, 6, 0), struct.pack("<IIii", 5, 8, rows, 6)
    name, numbers = struct.pack("<II", 1, 6) + b"d_iner\0\0", struct.pack("<II", 9, len(data)) + data
    body = flags + dims + name + numbers
    return struct.pack("<II", 14, len(body)) + body


HEADER = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"


def test_a_small_file_that_decompresses_to_much_is_refused(tmp_path: Path) -> None:
    rows = 2 * inertial.MAX_SIGNAL_BYTES // 48
    packed = zlib.compress(matrix(rows, bytes(48 * rows)), 9)
    file = tmp_path / "bomb.mat"
    file.write_bytes(HEADER + struct.pack("<II", 15, len(packed)) + packed)
    assert file.stat().st_size < 200_000
    with pytest.raises(ValueError, match="is larger than 64 MB when decompressed"):
        inertial.read_mat(file)


@pytest.mark.parametrize("rows", [2**31 - 1, 10**8])
def test_a_header_that_promises_much_is_refused(rows: int, tmp_path: Path) -> None:
    (tmp_path / "a.mat").write_bytes(HEADER + matrix(rows, bytes(480)))
    with pytest.raises(ValueError, match=f"d_iner is {rows}x6: more than 64 MB"):
        inertial.read_mat(tmp_path / "a.mat")


def test_a_signal_takes_no_more_memory_than_its_process_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = signal_file(tmp_path / "a.mat", rows=1_000_000)
    monkeypatch.setattr(sandbox, "MEMORY_BYTES", 160 << 20)
    reader = sandbox.Reader()
    try:
        with pytest.raises(ValueError, match=r"takes more than 160 MB of memory|MemoryError"):
            reader.examine(SUMMARY, file, "imu", "utd-mhad")
        assert reader.examine(SUMMARY, signal_file(tmp_path / "b.mat"), "imu", "utd-mhad").count == 20, (
            "the same process goes on"
        )
    finally:
        reader.close()


def test_what_hangs_or_crashes_ends_alone(tmp_path: Path) -> None:
    file = signal_file(tmp_path / "a.mat")
    reader = sandbox.Reader()
    try:
        assert reader.examine(SUMMARY, file, "imu", "utd-mhad").count == 20
        assert reader.process
        reader.process.send_signal(signal.SIGSTOP)
        with pytest.raises(ValueError, match=r"takes more than 0\.3 s to read"):
            reader.examine(SUMMARY, file, "imu", "utd-mhad", seconds=0.3)
        assert reader.examine(SUMMARY, file, "imu", "utd-mhad").count == 20
        crashing = reader.process
        crashing.send_signal(signal.SIGSTOP)
        killer = threading.Thread(target=lambda: (time.sleep(0.2), crashing.send_signal(signal.SIGKILL)))
        killer.start()
        with pytest.raises(ValueError, match=r"ended the process that read it \(SIGKILL\)"):
            reader.examine(SUMMARY, file, "imu", "utd-mhad")
        killer.join()
        assert reader.examine(SUMMARY, file, "imu", "utd-mhad").count == 20
    finally:
        reader.close()


@pytest.mark.parametrize("content", [b"[" * 100_000, b" " * 100_000, b"null", b'{"name": "a"}'])
def test_what_corpus_json_holds_is_bounded(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "corpus.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"corpus\.json: is not of the form"):
        about.read(tmp_path, "MMAct", {"video": "RGB"})


def test_the_scan_names_what_it_could_not_read(tmp_path: Path) -> None:
    video, mat = film(tmp_path / "a1_s1_t1_color.avi"), tmp_path / "a1_s1_t1_inertial.mat"
    mat.write_bytes(HEADER + matrix(10**8, b""))
    pair = Recorded("a1_s1_t1", 1, 1, 0, {"imu": mat, "video": video})
    clips, bad, _ = checked(tmp_path, "utd-mhad", [pair], ("imu", "video"))
    assert not len(clips) and bad == [BadFile(mat.name, "d_iner is 100000000x6: more than 64 MB")]
    buffer = io.BytesIO()
    savemat(buffer, {"d_iner": np.zeros((7, 6))})
    mat.write_bytes(buffer.getvalue())
    [row] = checked(tmp_path, "utd-mhad", [pair], ("imu", "video"))[0].to_pylist()
    assert (row["video_count"], row["imu_count"]) == (6, 7)

"""What is no recording is called what it is, by whatever reads it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from datasets import corpora
from datasets.videos import mp4
from tests.support.recordings.films import count_frames

MISTAKEN: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "is empty: copy or download it again"),
    "a web page": (b"\n<!DOCTYPE html><html>Log in</html>", "is a web page"),
    "a pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "run git lfs pull"),
    "an archive": (b"PK\x03\x04" + bytes(60), "is a zip archive: unpack it"),
    "zeros": (bytes(5000), "holds zero bytes where it should begin"),
}


@pytest.mark.parametrize("what", MISTAKEN)
def test_what_is_no_recording_is_called_what_it_is(what: str, tmp_path: Path) -> None:
    content, words = MISTAKEN[what]
    reads: dict[str, Callable[[Path], object]] = {
        "a.avi": count_frames,
        "a.mp4": mp4.read_header,
        "a.csv": lambda file: corpora.summary(file, "imu", "utd-mhad"),
        "a.mat": lambda file: corpora.summary(file, "imu", "utd-mhad"),
    }
    for name, read in reads.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=words):
            read(tmp_path / name)
    (tmp_path / "link.avi").symlink_to(tmp_path / "gone.avi")
    with pytest.raises(ValueError, match=r"is a link to .*gone\.avi, which isn't there"):
        count_frames(tmp_path / "link.avi")

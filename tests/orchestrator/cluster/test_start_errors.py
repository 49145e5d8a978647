"""What keeps a start from starting is a sentence: a storage, a file, and whatever Ray raises."""

import errno
from pathlib import Path

import pytest

from orchestrator.cluster import start_errors
from orchestrator.driver.terminal import refuse_bad_input


def test_what_ray_raises_is_a_line_that_tells_no_password() -> None:
    def fail() -> None:
        try:
            raise OSError("of\nseveral lines at http://u:s3cret@host")
        except OSError as error:
            raise RuntimeError("something else") from error

    with pytest.raises(ValueError, match="no Ray") as raised, start_errors.in_a_sentence("no Ray", "Do that."):
        fail()
    assert str(raised.value) == "no Ray (OSError: of several lines at http://***@host). Do that."


def test_a_storage_that_takes_no_files_is_refused_and_one_that_does_is_left_as_it_is(tmp_path: Path) -> None:
    start_errors.check_storage(tmp_path / "a" / "b", Path("b"))
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match=r"--storage out: user \S+ can't write to /proc/out \(.+\)\. Give a folder"):
        start_errors.check_storage(Path("/proc/out"), Path("out"))


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/a/b"), 2, "/a/b: Permission denied. See that user "),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "c"), 2, "c: No such file or directory. See"),
        (OSError(errno.ENOSPC, "No space left on device", "/a/b"), 1, "No space left on device"),
    ],
)
def test_a_file_that_cannot_be_had_is_a_line(
    error: OSError, code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> int:
        raise error

    assert refuse_bad_input(fail) == code
    said = capsys.readouterr().err
    assert said.startswith("error: ") and words in said and said.count("\n") == 1


def test_an_error_of_no_file_is_a_bug_of_ours() -> None:
    def fail() -> int:
        raise OSError("[Errno 9] Bad file descriptor")

    with pytest.raises(OSError, match="Bad file"):
        refuse_bad_input(fail)

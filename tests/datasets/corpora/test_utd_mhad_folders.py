"""UTD-MHAD's folders as they are downloaded and unpacked."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from datasets.files.bad_file import BadRecordings
from tests.support.recordings.folders import read


def parts(plain: Path, to: Path) -> Path:
    shutil.copytree(plain / "Inertial", to / "Inertial")
    for i, file in enumerate(sorted((plain / "RGB").iterdir())):
        (to / f"RGB-part{1 + i % 4}").mkdir(exist_ok=True)
        shutil.copy(file, to / f"RGB-part{1 + i % 4}")
    return to


def nested(plain: Path, to: Path) -> Path:
    for name in ("RGB", "Inertial"):
        shutil.copytree(plain / name, to / name / name)
    return to


def nested_parts(plain: Path, to: Path) -> Path:
    parts(plain, to)
    for folder in list(to.glob("RGB-part*")):
        shutil.move(folder, to / "x")
        folder.mkdir()
        shutil.move(to / "x", folder / folder.name)
    return to


def with_the_rest(plain: Path, to: Path) -> Path:
    shutil.copytree(plain, to)
    for name in ("RGB-part1.zip", "Inertial.zip", "Sample_Code.zip"):
        (to / name).write_bytes(b"PK\5\6" + bytes(18))
    for name in ("Depth", "Skeleton"):
        (to / name).mkdir()
        (to / name / f"a1_s1_t1_{name.lower()}.mat").write_bytes(b"")
    return to


def capitals(plain: Path, to: Path) -> Path:
    shutil.copytree(plain, to)
    for file in (to / "RGB").iterdir():
        file.rename(file.with_suffix(".AVI"))
    return to


@pytest.mark.parametrize("lay", [parts, nested, nested_parts, with_the_rest, capitals])
def test_utd_mhad_is_read_as_it_is_downloaded(lay: Callable, plain: Path, tmp_path: Path) -> None:
    (plain / "corpus.json").unlink()
    before, after = read("utd-mhad", plain), read("utd-mhad", lay(plain, tmp_path / "other"))
    assert after.digest == before.digest and not after.bad and after.clips.num_rows == 12


def test_a_trial_that_is_there_twice_counts_once_and_two_that_differ_are_bad(plain: Path) -> None:
    first, second, *_ = sorted((plain / "RGB").iterdir())
    (plain / "RGB-part1").mkdir()
    shutil.copy(first, plain / "RGB-part1")
    assert read("utd-mhad", plain).clips.num_rows == 12
    shutil.copy(second, plain / "RGB-part1" / first.name)
    with pytest.raises(BadRecordings, match=f"RGB-part1/{first.name}: differs from RGB/{first.name}"):
        read("utd-mhad", plain)


def test_an_archive_that_stayed_packed_is_named(plain: Path) -> None:
    shutil.rmtree(plain / "RGB")
    (plain / "RGB-part1.zip").write_bytes(b"PK\3\4")
    with pytest.raises(ValueError, match=r"has no folder RGB/ .*; it has RGB-part1\.zip: unpack it there"):
        read("utd-mhad", plain)

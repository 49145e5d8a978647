"""Class folders: what is a class and a clip, and which files of other modalities matter."""

import os
import shutil
import sys
import unicodedata
from pathlib import Path

import pytest

from datasets import corpora
from datasets.files import sandbox
from datasets.files.bad_file import BadRecordings
from datasets.manifest import Manifest
from datasets.modalities import MODALITIES, Modality, Source
from tests.support.recordings.folders import read


def bad(folder: Path) -> dict[str, str]:
    with pytest.raises(BadRecordings) as raised:
        read("class-folders", folder)
    str(raised.value).encode()  # it can be shown
    return {found.file: found.reason for found in raised.value.bad}


def test_an_empty_folder_is_no_class(classes: Path) -> None:
    before = read("class-folders", classes)
    (classes / "class9").mkdir()
    assert read("class-folders", classes).classes == before.classes


@pytest.mark.parametrize("name", ["Überkopf", "push-up", "sit down (slowly)", "走る"])
def test_a_class_is_called_as_people_call_it(name: str, classes: Path) -> None:
    for form in ("NFC", "NFD"):
        called = unicodedata.normalize(form, name)
        (classes / "class1").rename(classes / called)
        for file in (classes / called).iterdir():
            file.rename(file.with_name(f"v_{called}_g" + file.name.rpartition("_g")[2]))
        found = read("class-folders", classes)
        assert called in found.classes and found.clips.num_rows == 12
        (classes / called).rename(classes / "class1")


@pytest.mark.parametrize("other", ["Class1", "class1 ", "CLASS1"])
def test_two_folders_of_one_class_are_not_two_classes(other: str, classes: Path) -> None:
    shutil.copytree(classes / "class2", classes / other)
    assert ": put them together" in next(iter(bad(classes).values()))
    assert len(read("class-folders", classes, skip_bad=True).classes) == 6


def test_letters_and_their_accents_stored_apart_are_the_same_class(classes: Path) -> None:
    for form in ("NFC", "NFD"):
        shutil.copytree(classes / "class1", classes / unicodedata.normalize(form, "Größe"))
    assert len(bad(classes)) == 1


def test_names_of_any_bytes_are_named(classes: Path, plain: Path) -> None:
    latin = os.fsdecode("Größe".encode("latin-1"))
    (classes / latin).mkdir()
    video = next((classes / "class1").glob("*.avi"))
    for file in (video, video.with_suffix(".csv")):
        file.rename(file.with_name(f"v_{latin}_g01_c07{file.suffix}"))
    found = bad(classes)
    assert {name: words for name, words in found.items() if "class1" not in name} == {
        r"Gr\xf6\xdfe": "has a name that is no UTF-8: rename it"
    }
    assert sorted(name for name in found if "class1" in name) == [
        r"class1/v_Gr\xf6\xdfe_g01_c07.avi", r"class1/v_Gr\xf6\xdfe_g01_c07.csv",
    ]  # fmt: skip
    assert read("class-folders", classes, skip_bad=True).clips.num_rows == 11
    (plain / "RGB" / latin).write_bytes(b"")
    with pytest.raises(BadRecordings, match=r"RGB/Gr\\xf6\\xdfe: is not named"):
        read("utd-mhad", plain)


def test_files_that_a_cloud_keeps_are_named(classes: Path) -> None:
    """The clip would vanish without a word."""
    for file in list((classes / "class1").glob("*_g01_c01.*")):
        file.rename(file.with_name(f".{file.name}.icloud"))
    found = bad(classes)
    assert list(found) == ["class1/v_class1_g01_c01.avi", "class1/v_class1_g01_c01.csv"]
    assert all("is kept in iCloud and not downloaded" in words for words in found.values())


def test_the_same_clip_twice_and_one_in_another_class_are_told(classes: Path) -> None:
    assert read("class-folders", classes).notes == ()
    for ending in (".avi", ".csv"):
        shutil.copy(classes / f"class1/v_class1_g01_c01{ending}", classes / f"class1/v_class1_g20_c01{ending}")
        (classes / f"class2/v_class2_g01_c01{ending}").rename(classes / f"class3/v_class2_g01_c01{ending}")
    notes = read("class-folders", classes).notes
    assert notes == (
        "WARNING: clips with the content of another one: 1 (class1/v_class1_g20_c01 is class1/v_class1_g01_c01)",
        "WARNING: clips named after another class than their folder: 1 (class3/v_class2_g01_c01)",
    )


class Sound(Modality):
    """A lab's own: numbers, a line each."""

    name, label = "sound", "sound"
    endings = (".sound.csv",)

    def examine(self, file: Path, source: Source) -> sandbox.Found:
        return sandbox.Found(len(file.read_text().splitlines()))


Sound.__abstractmethods__ = frozenset()  # a scan asks for no more


@pytest.fixture
def with_sound(classes: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Class folders where each clip has a sound too; what reads them apart knows of no such modality."""
    monkeypatch.setitem(MODALITIES, "sound", f"{__name__}:Sound")
    monkeypatch.setitem(sys.modules, __name__, sys.modules[Sound.__module__])
    apart = sandbox.examine

    def examine(reader: str, file: Path, *given: str) -> sandbox.Found:
        return corpora.summary(file, *given) if given[0] == "sound" else apart(reader, file, *given)

    monkeypatch.setattr(sandbox, "examine", examine)
    for video in list(classes.rglob("*.avi")):
        video.with_suffix(".sound.csv").write_text(f"{video.name}\n1\n")
    return classes


def test_files_of_any_modality_are_found_by_their_endings(with_sound: Path) -> None:
    def scan(*names: str, skip_bad: bool = False) -> Manifest:
        return corpora.read("class-folders", with_sound, with_sound.parent / "scans", names, skip_bad=skip_bad)

    three = scan("imu", "sound", "video")
    assert three.modalities == ("imu", "sound", "video") and three.clips.num_rows == 12 and not three.bad
    assert three.clips["sound"][0].as_py() == "class1/v_class1_g01_c01.sound.csv"
    assert three.clips["imu"][0].as_py() == "class1/v_class1_g01_c01.csv"
    assert set(three.clips["sound_count"].to_pylist()) == {2}
    alone = scan("sound")
    assert alone.digest == three.of(("sound",)).digest and scan("imu").digest == three.of(("imu",)).digest
    (with_sound / three.clips["sound"][0].as_py()).unlink()
    with pytest.raises(BadRecordings, match=r"v_class1_g01_c01\.avi: has no sound recording beside it"):
        scan("sound", "video")
    assert scan("imu", "video").clips.num_rows == 12 and scan("sound").clips.num_rows == 11


def test_files_of_other_modalities_are_no_matter(classes: Path) -> None:
    before = read("class-folders", classes)
    for video in classes.rglob("*.avi"):
        video.write_bytes(b"no video")
    video.rename(video.with_name("my film.avi"))
    alone = corpora.read("class-folders", classes, classes.parent / "scans", ("imu",))
    assert alone.digest == before.of(("imu",)).digest and alone.bad == ()
    (classes / "class1" / "my signal.csv").write_text("")
    with pytest.raises(
        BadRecordings, match=r"1 bad .*\n.*my signal\.csv: is not named v_CLASS_gN_cN and \.csv, \.mat, once"
    ):
        corpora.read("class-folders", classes, classes.parent / "scans", ("imu",))

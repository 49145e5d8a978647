"""Folders of recordings as they are downloaded, copied between systems and synchronised."""

import os
import shutil
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from datasets import corpora, splits
from datasets.corpora import missing, synthetic
from datasets.corpora.recordings import Recorded, checked
from datasets.files import listing, sandbox
from datasets.files.bad_file import BadRecordings
from datasets.manifest import Manifest
from datasets.modalities import MODALITIES, Modality, Source

APPLE = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        " + bytes(60)
CLUTTER = [
    "Thumbs.db", "desktop.ini", ".DS_Store", "__MACOSX/._x", "@eaDir/x@SynoEAStream", "lost+found/#12",
    ".ipynb_checkpoints/x", "$RECYCLE.BIN/x", "Icon\r", "film.avi:Zone.Identifier",
]  # fmt: skip


def strew(folder: Path) -> None:
    """What systems leave, in this folder and in each below it."""
    for inside in [folder, *(p for p in folder.rglob("*") if p.is_dir())]:
        for name in [*CLUTTER, *(f"._{file.name}" for file in inside.glob("*.*"))]:
            (inside / name).parent.mkdir(exist_ok=True)
            (inside / name).write_bytes(APPLE)


def read(corpus: str, folder: Path, **how: bool) -> Manifest:
    return corpora.read(corpus, folder, folder.parent / f"scans-{folder.name}", ("imu", "video"), **how)


@pytest.fixture
def plain(recordings: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(recordings, tmp_path / "plain"))


def test_what_systems_leave_behind_is_no_recording(
    plain: Path, class_folders: Path, desk: Path, tmp_path: Path
) -> None:
    classes, views = (Path(shutil.copytree(f, tmp_path / name)) for f, name in ((class_folders, "c"), (desk, "m")))
    for corpus, folder in (("utd-mhad", plain), ("class-folders", classes), ("mmact", views)):
        before, seen = read(corpus, folder), list(corpora.of(corpus).seen(folder))
        strew(folder)
        assert list(corpora.of(corpus).seen(folder)) == seen, "nothing is read again"
        shutil.rmtree(folder.parent / f"scans-{folder.name}")
        after = read(corpus, folder)
        assert (after.digest, after.classes, after.bad) == (before.digest, before.classes, ()), corpus


def test_predicting_a_folder_passes_over_it(made: tuple, csv: Path, tmp_path: Path) -> None:
    from orchestrator.serving.predictor import clips

    for name in ("one", "two"):
        shutil.copy(csv, tmp_path / f"{name}.csv")
    (tmp_path / "__MACOSX").mkdir()
    strew(tmp_path)
    assert list(clips("utd-mhad", ("imu", "video"), tmp_path)) == ["one", "two"]


def test_predicting_a_folder_pairs_files_as_a_scan_does(plain: Path, tmp_path: Path) -> None:
    from orchestrator.serving.predictor import clips

    before = clips("utd-mhad", ("imu", "video"), plain)
    assert len(before) == 12 and all(set(files) == {"imu", "video"} for files in before.values())
    for name in ("Depth", "Skeleton"):
        (plain / name).mkdir()
        (plain / name / f"a1_s1_t1_{name.lower()}.mat").write_bytes(b"")
    for file in (plain / "RGB").iterdir():
        file.rename(file.with_name(file.name.replace("color.avi", "COLOR.AVI")))
    shutil.copytree(plain / "RGB", plain / "RGB-part1")
    assert {name: set(files) for name, files in clips("utd-mhad", ("imu", "video"), plain).items()} == {
        name: {"imu", "video"} for name in before
    }
    own = tmp_path / "own"
    own.mkdir()
    (own / "x.avi").symlink_to(own / "gone.avi")
    (own / ".y.avi.icloud").write_bytes(b"")
    assert {name: list(files) for name, files in clips("utd-mhad", ("imu", "video"), own).items()} == {
        "x": ["video"],
        "y": ["video"],
    }


def test_a_name_of_several_lines_is_shown_in_one() -> None:
    assert listing.printable("a\nleft out: b\x1b[2J") == r"a\x0aleft out: b\x1b[2J"
    assert listing.is_text("a\nb"), "a table holds it as it is"


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


def test_links_to_a_folder_above_end(plain: Path) -> None:
    (plain / "Inertial" / "up").symlink_to(plain)
    assert len([path for path in listing.walk(plain) if path.suffix == ".avi"]) == 12
    assert len(list(corpora.of("utd-mhad").seen(plain))) == 25


@pytest.fixture
def classes(class_folders: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(class_folders, tmp_path / "classes"))


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


def test_clips_on_neither_side_of_a_protocol_are_counted(tmp_path: Path) -> None:
    ten = read("utd-mhad", synthetic.write(tmp_path / "ten", subjects=10, trials=1, actions=2))
    words = "4 of 20 clips, of subjects 9, 10, are on neither side of protocol {}: they are not used"
    assert splits.unused(ten, "odd-even") == words.format("odd-even")
    assert splits.unused(ten, "odd-even-validation") == words.format("odd-even-validation")
    assert splits.unused(ten, "leave-one-subject-out") is None
    eight = read("utd-mhad", synthetic.write(tmp_path / "eight", subjects=8, trials=1, actions=2))
    assert splits.unused(eight, "odd-even") is None and splits.unused(eight, "trials") is None


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


@pytest.mark.parametrize("policy", ["error", "padding", "exclusion"])
def test_a_clip_that_lacks_a_recording_is_what_its_corpus_says(policy: missing.Policy, classes: Path) -> None:
    first, second = sorted((classes / "class1").glob("*.csv"))
    clips = [
        Recorded("lacking", 1, 1, 0, {"video": first.with_suffix(".avi")}),
        Recorded("whole", 2, 1, 0, {"imu": second, "video": second.with_suffix(".avi")}),
    ]
    table, bad, notes = checked(classes, "class-folders", clips, ("imu", "video"), policy)
    assert table["clip"].to_pylist() == (["lacking", "whole"] if policy == "padding" else ["whole"])
    words = "has no IMU recording beside it"
    name = str(first.with_suffix(".avi").relative_to(classes))
    assert [(b.file, b.reason) for b in bad] == ([(name, words)] if policy == "error" else [])
    if policy == "padding":
        assert table.to_pylist()[0] | {"imu": None, "imu_count": 0, "imu_content": ""} == table.to_pylist()[0]
    told = {
        "error": [],
        "padding": ["1 of 2 clips lack a recording, which are padded (imu 1)"],
        "exclusion": ["1 clips that lack a recording are left out"],
    }
    assert notes == told[policy]

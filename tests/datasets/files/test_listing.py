"""Folders of recordings as systems leave them: with clutter, links and names of any kind."""

import shutil
from pathlib import Path

from datasets import corpora
from datasets.files import listing
from tests.support.recordings.folders import read

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


def test_links_to_a_folder_above_end(plain: Path) -> None:
    (plain / "Inertial" / "up").symlink_to(plain)
    assert len([path for path in listing.walk(plain) if path.suffix == ".avi"]) == 12
    assert len(list(corpora.of("utd-mhad").seen(plain))) == 25

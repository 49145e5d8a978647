"""UTD-MHAD's reader: whole recordings, each kind of bad one, and what is remembered of a folder."""

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from scipy.io import loadmat, savemat
from scipy.sparse import csc_matrix

from datasets import corpora
from datasets.corpora.utd_mhad import CLASSES
from datasets.files import sandbox
from datasets.files.bad_file import BadRecordings
from datasets.manifest import Manifest

VIDEO, MAT = "RGB/a1_s1_t1_color.avi", "Inertial/a1_s1_t1_inertial.mat"
WHOLE = ["a1_s1_t1", "a2_s1_t1", "a3_s1_t1"]
SIGNAL = np.random.default_rng(0).normal(size=(90, 6))


@pytest.fixture
def folder(recordings: Path, tmp_path: Path) -> Path:
    """A copy of three trials of the corpus, to be spoiled."""
    for clip in WHOLE:
        copy(recordings, tmp_path / "corpus", clip, clip)
    shutil.copy(recordings / "corpus.json", tmp_path / "corpus")
    return tmp_path / "corpus"


def copy(source: Path, target: Path, clip: str, name: str) -> None:
    for sub, suffix in (("RGB", "color.avi"), ("Inertial", "inertial.mat")):
        (target / sub).mkdir(parents=True, exist_ok=True)
        shutil.copy(source / sub / f"{clip}_{suffix}", target / sub / f"{name}_{suffix}")


BOTH = ("imu", "video")


def read(folder: Path, modalities: Sequence[str] = BOTH, *, skip_bad: bool = False) -> Manifest:
    return corpora.read("utd-mhad", folder, folder.parent / "cache", modalities, skip_bad=skip_bad)


def clips(manifest: Manifest) -> list[str]:
    return manifest.clips.column("clip").to_pylist()


Spoil = Callable[[Path], object]


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size * 7 // 10])


def filled(content: bytes) -> Spoil:
    return lambda file: file.write_bytes(content)


def mat(d_iner: object, name: str = "d_iner") -> Spoil:
    return lambda file: savemat(file, {name: d_iner})


def with_value(value: float) -> Spoil:
    return mat(np.where(np.arange(SIGNAL.size).reshape(SIGNAL.shape) == 7, value, SIGNAL))


SPOILED: dict[str, tuple[str, Spoil, str]] = {
    "a cut-off video": (VIDEO, cut, "cut off: its header says"),
    "a video of no bytes": (VIDEO, filled(b""), "is empty: copy or download it again"),
    "text called .avi": (VIDEO, filled(b"not a film, only words\n" * 99), "no video that can be decoded"),
    "no inertial file": (VIDEO, lambda file: (file.parents[1] / MAT).unlink(), "no IMU recording beside it"),
    "no video": (MAT, lambda file: (file.parents[1] / VIDEO).unlink(), "no video recording beside it"),
    "text called .mat": (MAT, filled(b"ax,ay,az\n" * 99), "is a text file, not MATLAB's own"),
    "a .mat of no bytes": (MAT, filled(b""), "is empty: copy or download it again"),
    "a cut-off .mat": (MAT, cut, "no MATLAB file"),
    "no d_iner": (MAT, mat(SIGNAL, "signal"), "no variable d_iner"),
    "NaN": (MAT, with_value(np.nan), "1 values that are NaN or infinite"),
    "infinity": (MAT, with_value(-np.inf), "1 values that are NaN or infinite"),
    "infinite as float32": (MAT, with_value(1e39), "1 values that are NaN or infinite"),
    "five columns": (MAT, mat(SIGNAL[:, :5]), "90x5, not samples x 6"),
    "transposed": (MAT, mat(SIGNAL.T), "6x90, not samples x 6: transpose it"),
    "no samples": (MAT, mat(SIGNAL[:0]), "d_iner is empty"),
    "complex": (MAT, mat(SIGNAL * 1j), "holds complex128, not numbers"),
    "a cell array": (MAT, mat(SIGNAL.astype(str).astype(object)), "holds cell, not numbers"),
    "text inside": (MAT, mat("123456"), "d_iner holds char, not numbers"),
    "sparse": (MAT, mat(csc_matrix(SIGNAL)), "sparse"),
}


@pytest.mark.parametrize("what", SPOILED)
def test_a_bad_file_is_named_with_its_reason_or_left_out(what: str, folder: Path) -> None:
    file, spoil, reason = SPOILED[what]
    spoil(folder / file)
    with pytest.raises(BadRecordings, match=r"(?s)1 bad file\(s\) in .*--skip-bad") as raised:
        read(folder)
    [bad] = raised.value.bad
    assert bad.file == file and reason in bad.reason
    left = read(folder, skip_bad=True)
    assert clips(left) == WHOLE[1:]
    assert left.bad == (bad,)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("RGB/a0_s1_t1_color.avi", "is not named"),
        ("RGB/a1_s1_color.avi", "is not named"),
        ("RGB/a1_s1_t1_depth.avi", "is not named"),
        ("RGB/a28_s1_t1_color.avi", "action 28 is not among the 27"),
        ("Inertial/a01_s1_t1_inertial.mat", "is not named"),
        ("Inertial/notes.txt", "is not named"),
    ],
)
def test_a_file_of_another_name_is_bad(name: str, reason: str, folder: Path) -> None:
    shutil.copy(folder / (VIDEO if name.startswith("RGB") else MAT), folder / name)
    with pytest.raises(BadRecordings) as raised:
        read(folder)
    assert [(bad.file, reason in bad.reason) for bad in raised.value.bad] == [(name, True)]
    assert clips(read(folder, skip_bad=True)) == WHOLE


def test_all_bad_files_are_in_one_message(folder: Path) -> None:
    (folder / "RGB" / "a1_s1_t1_color.avi").write_bytes(b"")
    (folder / "Inertial" / "a1_s1_t1_inertial.mat").write_bytes(b"")
    (folder / "Inertial" / "a2_s1_t1_inertial.mat").unlink()
    cut(folder / "RGB" / "a3_s1_t1_color.avi")
    (folder / "RGB" / "a1.avi").write_bytes(b"")
    with pytest.raises(BadRecordings) as raised:
        read(folder)
    message = str(raised.value)
    assert message.startswith(f"5 bad file(s) in {folder}:\n") and len(raised.value.bad) == 5
    for bad in raised.value.bad:
        assert f"\n  {bad.file}: {bad.reason}\n" in message
    videos, signals = (f"RGB/a{k}_s1_t1_color.avi" for k in (1, 2, 3)), "Inertial/a1_s1_t1_inertial.mat"
    assert {bad.file for bad in raised.value.bad} == {*videos, signals, "RGB/a1.avi"}
    with pytest.raises(ValueError, match=r"corpus: no whole recording is left; 5 files are bad"):
        read(folder, skip_bad=True)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (shutil.rmtree, r"corpus: no such folder.*--recordings"),
        (lambda folder: shutil.rmtree(folder / "Inertial"), r"corpus: has no folder Inertial/"),
        (lambda folder: [file.unlink() for file in (folder / "RGB").iterdir()], r"RGB: is empty; video recordings"),
        *[
            (lambda folder, text=text: (folder / "corpus.json").write_bytes(text), r"corpus\.json: is not of the form")
            for text in (b"{", b"[]", b'{"name": "x"}', b"\xff\xfe")
        ],
    ],
)
def test_a_folder_that_is_no_corpus_is_refused(spoil: Spoil, message: str, folder: Path) -> None:
    spoil(folder)
    with pytest.raises(ValueError, match=message) as raised:
        read(folder, skip_bad=True)
    assert str(folder) in str(raised.value)


def test_trials_are_read_in_the_order_of_their_numbers(folder: Path) -> None:
    for name in ("a10_s1_t1", "a9_s10_t1", "a9_s2_t10", "a9_s2_t9"):
        copy(folder, folder, "a2_s1_t1", name)
    manifest = read(folder)
    assert clips(manifest) == [*WHOLE, "a9_s2_t9", "a9_s2_t10", "a9_s10_t1", "a10_s1_t1"]
    assert manifest.clips.column("label").to_pylist() == [0, 1, 2, 8, 8, 8, 9]
    assert manifest.clips.column("subject").to_pylist() == [1, 1, 1, 2, 2, 10, 1]
    assert manifest.clips.column("trial").to_pylist() == [1, 1, 1, 9, 10, 1, 1]
    assert manifest.classes == CLASSES and manifest.classes[9] == "draw_circle_CCW" and len(CLASSES) == 27


def test_the_files_and_sizes_of_a_clip(folder: Path) -> None:
    manifest = read(folder)
    for row in manifest.clips.to_pylist():
        assert len(loadmat(str(folder / row["imu"]))["d_iner"]) == row["imu_count"]
        assert row["video_count"] == pytest.approx(row["imu_count"] * 15 / 50, abs=1)
    assert manifest.longest("imu") == max(manifest.clips.column("imu_count").to_pylist())
    assert manifest.bad == () and manifest.root == folder


def test_corpus_json_says_what_the_video_shows_and_without_it_is_rgb(folder: Path) -> None:
    drawn = read(folder)
    assert (drawn.corpus, drawn.shows) == ("synthetic (UTD-MHAD layout)", {"video": "drawn figure"})
    (folder / "corpus.json").unlink()
    filmed = read(folder)
    assert (filmed.corpus, filmed.shows) == ("UTD-MHAD", {"video": "RGB"})
    assert filmed.digest != drawn.digest


def test_a_copy_has_the_same_digest_and_changed_content_another(folder: Path) -> None:
    first = read(folder)
    copied = read(Path(shutil.copytree(folder, folder.parent / "copy")))
    assert copied.digest == first.digest and copied.root != first.root
    savemat(folder / MAT, {"d_iner": loadmat(str(folder / MAT))["d_iner"] + 1e-9})
    assert read(folder).digest != first.digest


def test_a_folder_is_remembered_until_a_file_changes(folder: Path) -> None:
    first = read(folder)
    [remembered] = (folder.parent / "cache").iterdir()
    again = read(folder)
    assert replace(again, clips=None) == replace(first, clips=None) and again.clips.equals(first.clips)  # pyright: ignore
    replace(first, corpus="remembered").write(remembered)  # told apart from a new reading
    assert read(folder).corpus == "remembered"
    os.utime(folder / MAT, ns=(0, 0))
    assert read(folder).corpus == first.corpus


def test_signals_alone_need_no_video_and_open_none(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both = read(folder)
    for file in (folder / "RGB").iterdir():
        file.write_bytes(b"no video")
    (folder / "RGB" / ".a9_s1_t1_color.avi.icloud").write_bytes(b"")
    opened: list[Path] = []
    monkeypatch.setattr(sandbox, "examine", lambda reader, file, *given: opened.append(file) or examine(file, *given))
    alone = read(folder, ("imu",))
    assert sorted(file.parent.name for file in opened) == ["Inertial"] * 3
    assert alone.modalities == ("imu",) and alone.shows == {} and alone.bad == ()
    assert alone.digest == both.of(("imu",)).digest != both.digest
    shutil.rmtree(folder / "RGB")
    assert read(folder, ("imu",)).digest == alone.digest
    with pytest.raises(ValueError, match="has no folder RGB/"):
        read(folder)


def examine(file: Path, modality: str, layout: str) -> sandbox.Found:
    return corpora.summary(file, modality, layout)


def test_what_the_corpus_never_recorded_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="no such modality"):
        read(folder, ("smell",))


def test_a_modalitys_digest_is_of_its_own_content(folder: Path, recordings: Path) -> None:
    before = read(folder)
    copy(recordings, folder / "other", "a2_s1_t2", "a1_s1_t1")
    shutil.move(folder / "other" / VIDEO, folder / VIDEO)
    shutil.rmtree(folder / "other")
    after = read(folder)
    assert after.digest != before.digest and after.of(("video",)).digest != before.of(("video",)).digest
    assert after.of(("imu",)).digest == before.of(("imu",)).digest
    files = after.clips.num_rows
    more = replace(
        after,
        shows={**after.shows, "depth": "millimetres"},
        clips=after.clips.append_column("depth", pa.array(["d"] * files))
        .append_column("depth_count", pa.array([1] * files, pa.int32()))
        .append_column("depth_content", pa.array(["0"] * files)),
    )
    assert more.modalities == ("depth", "imu", "video") and more.digest != after.digest
    for names in (("imu",), ("video",), ("video", "imu")):
        assert more.of(names).digest == after.of(names).digest
    assert more.of(("imu",)).clips.equals(after.of(("imu",)).clips)
    with pytest.raises(ValueError, match="has no recordings of depth"):
        after.of(("depth",))

"""Skeletons: each kind of file, each kind of bad one, and joints that weren't found."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from datasets import modalities
from datasets.modalities import Source
from datasets.skeletons import picture
from datasets.skeletons.joints import COCO, KINECT
from datasets.skeletons.read import filled

SKELETON = np.random.default_rng(0).normal(size=(30, 20, 3)).astype(np.float32)
MODALITY = modalities.of("skeleton")
SOURCE = Source()


def written(folder: Path, kind: str, x: np.ndarray = SKELETON) -> Path:
    file = folder / f"a1_s1_t1_skeleton.{kind}"
    if kind == "mat":
        savemat(file, {"d_skel": x.transpose(1, 2, 0)})
    elif kind == "npz":
        np.savez_compressed(file, skeleton=x)
    else:
        np.savetxt(file, x.reshape(len(x), -1), delimiter=",", header=",".join(KINECT.columns), comments="")
    return file


def read(file: Path, source: Source = SOURCE) -> np.ndarray:
    return MODALITY.read(file.parent, file.name, source)


@pytest.mark.parametrize("kind", ["mat", "csv", "npz"])
def test_each_kind_of_file_gives_samples_joints_and_axes(tmp_path: Path, kind: str) -> None:
    found = read(written(tmp_path, kind))
    assert found.shape == (30, 20, 3) and found.dtype == np.float32
    assert np.allclose(found, SKELETON, atol=1e-6)


def test_columns_of_a_csv_may_come_in_any_order(tmp_path: Path) -> None:
    order = np.random.default_rng(1).permutation(60)
    names = [KINECT.columns[i] for i in order]
    file = tmp_path / "walk_skeleton.csv"
    np.savetxt(file, SKELETON.reshape(30, 60)[:, order], delimiter=";", header=";".join(names), comments="")
    assert np.allclose(read(file), SKELETON, atol=1e-6)


def test_an_ending_says_that_a_file_is_a_skeleton_and_no_signal() -> None:
    assert modalities.of_file("a1_s1_t1_skeleton.mat") == ("skeleton", "_skeleton.mat")
    assert modalities.of_file("v_walking_g01_c01_Skeleton.CSV") == ("skeleton", "_skeleton.csv")
    assert modalities.of_file("a1_s1_t1_inertial.mat") == ("imu", ".mat")


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (SKELETON[:9], "has 9 samples; a skeleton has 10 to 10000"),
        (np.zeros((10_001, 20, 3), np.float32), "has 10001 samples"),
        (SKELETON[:, :17], "is 30x17x3, not samples x 20 joints x 3 axes"),
        (np.where(np.arange(30)[:, None, None] == 3, np.nan, SKELETON), "has 60 values that are NaN or infinite"),
        (np.full((30, 20, 3), 1e300), "has 1800 values that are NaN or infinite"),
        (SKELETON.astype(complex), "skeleton holds complex128, not numbers"),
    ],
)
def test_what_is_no_skeleton_is_refused_by_name(tmp_path: Path, x: np.ndarray, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read(written(tmp_path, "npz", x))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is no .npz that can be read"),
        (b"PK\x03\x04" + bytes(40), "is no .npz that can be read"),
        (b"\x93NUMPY\x01\x00", "is no .npz that can be read"),
    ],
)
def test_what_is_no_npz_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "x_skeleton.npz"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=words):
        read(file)


def test_an_array_that_would_fill_the_memory_is_refused_before_it_is_read(tmp_path: Path) -> None:
    file = written(tmp_path, "npz", np.zeros((60_000, 200, 3), np.float32))
    assert file.stat().st_size < 1 << 20
    with pytest.raises(ValueError, match="skeleton is 60000x200x3: more than 64 MB"):
        read(file)


def test_an_array_of_objects_is_never_unpickled(tmp_path: Path) -> None:
    file = tmp_path / "x_skeleton.npz"
    np.savez(file, skeleton=np.array([{}], object))
    with pytest.raises(ValueError, match="skeleton holds object, not numbers"):
        read(file)


def test_a_mat_of_another_variable_or_shape_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a1_s1_t1_skeleton.mat"
    savemat(file, {"d_iner": SKELETON})
    with pytest.raises(ValueError, match="has no variable d_skel; it has d_iner"):
        read(file)
    savemat(file, {"d_skel": SKELETON})
    with pytest.raises(ValueError, match="d_skel is 30x20x3, not 20 joints x 3 axes x samples"):
        read(file)


@pytest.mark.parametrize("kind", ["mat", "csv"])
@pytest.mark.parametrize(("content", "words"), [(b"<!DOCTYPE html><p>", "is a web page"), (b"", "is empty")])
def test_what_lies_in_place_of_a_recording_is_named(tmp_path: Path, kind: str, content: bytes, words: str) -> None:
    file = tmp_path / f"x_skeleton.{kind}"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=f"^{words}"):
        read(file)


def test_a_joint_that_was_never_found_is_not_drawn() -> None:
    x = SKELETON.copy()
    x[:, 19] = np.nan
    frames, heat = picture.frames(x, np.ones((30, 20)), KINECT)
    assert np.isfinite(heat).all()
    far = x.copy()
    far[:, 19] = 50.0
    assert not np.array_equal(frames, picture.frames(far, np.ones((30, 20)), KINECT)[0])
    others = replace(KINECT, names=KINECT.names[:19], bones=tuple(b for b in KINECT.bones if "right_foot" not in b))
    assert np.array_equal(frames, picture.frames(x[:, :19], np.ones((30, 19)), others)[0])


def test_joints_that_were_not_found_lie_between_those_before_and_after() -> None:
    x = np.stack([np.arange(6.0)] * 4, axis=1).reshape(6, 2, 2)
    x[[0, 3, 5], 0] = np.nan
    found = filled(x)
    assert found[:, 0, 0].tolist() == [1, 1, 2, 3, 4, 4]
    assert found[:, 1].tolist() == x[:, 1].tolist()
    x[:, 0] = np.nan
    assert np.isnan(filled(x)[:, 0]).all()  # never seen


def test_only_a_source_with_gaps_may_lack_joints_and_never_all() -> None:
    source = Source(joints=COCO, gaps=True)
    x = np.ones((12, 17, 2))
    x[4, 3] = np.nan
    assert np.isnan(MODALITY.checked(x, source)).sum() == 2
    with pytest.raises(ValueError, match="2 values that are NaN"):
        MODALITY.checked(x, replace(source, gaps=False))
    x[5, 0, 0] = np.nan
    with pytest.raises(ValueError, match="1 values that are NaN"):  # half a position
        MODALITY.checked(x, source)
    with pytest.raises(ValueError, match="shows nobody"):
        MODALITY.checked(np.full((12, 17, 2), np.nan), source)


def test_rows_of_a_request_are_checked_as_a_file_is() -> None:
    given = MODALITY.input(MODALITY.Settings(), SOURCE, lambda rate: 40)
    (values, length), found = MODALITY.from_rows(SKELETON.reshape(30, 60).tolist(), SOURCE, given)
    assert (values.shape, length, found.count) == ((40, 20, 3), 30, 30)
    with pytest.raises(ValueError, match=r"skeleton has samples of \[51\] numbers, not 60"):
        MODALITY.from_rows(np.zeros((30, 51)).tolist(), SOURCE, given)
    example = MODALITY.example(SOURCE)
    assert MODALITY.from_rows(example, SOURCE, given)[0][1] == len(example)

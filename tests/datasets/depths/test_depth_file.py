"""Depth recordings: each kind of file, and each kind of bad one."""

import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from datasets import modalities
from datasets.depths import depth_file

DEPTH = np.zeros((12, 24, 32), np.uint16)
DEPTH[:, 4:20, 10:20] = np.random.default_rng(0).integers(1900, 2100, (12, 16, 10))


def mat(depth: np.ndarray, name: str = "d_depth") -> bytes:
    """UTD-MHAD's order: height x width x frames."""
    out = io.BytesIO()
    savemat(out, {name: depth.transpose(1, 2, 0) if depth.ndim == 3 else depth}, do_compression=True)
    return out.getvalue()


def npz(depth: np.ndarray, name: str = "depth", save: Callable = np.savez_compressed) -> bytes:
    out = io.BytesIO()
    save(out, **{name: depth})
    return out.getvalue()


def read(folder: Path, content: bytes) -> np.ndarray:
    file = folder / "a1_s1_t1_depth.mat"
    file.write_bytes(content)
    return depth_file.read(file)


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("form", [mat, npz])
def test_each_kind_of_file_gives_frames_of_millimetres(tmp_path: Path, form: Callable, kind: type) -> None:
    """Whatever its name ends in: a request to the server has none."""
    found = read(tmp_path, form((DEPTH + 0.2 * (DEPTH > 0)).astype(kind)))
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, DEPTH)


def test_an_ending_says_that_a_file_is_depth_and_no_signal() -> None:
    assert modalities.of_file("a1_s1_t1_depth.mat") == ("depth", "_depth.mat")
    assert modalities.of_file("v_walking_g01_c01_Depth.NPZ") == ("depth", "_depth.npz")
    assert modalities.of_file("a1_s1_t1_inertial.mat") == ("imu", ".mat")


def changed(value: float, kind: type = np.float32) -> np.ndarray:
    depth = DEPTH.astype(kind)
    depth[3, 5, 11] = value
    return depth


@pytest.mark.parametrize(
    ("depth", "words"),
    [
        (DEPTH[0], "not frames x height x width"),
        (DEPTH[:9], "depth has 9 frames, not 10 to 10,000: it is frames x height x width"),
        (np.ones((10_001, 16, 16), np.uint16), "depth has 10001 frames"),
        (DEPTH[:, :, :8], "depth has frames of 8x24, not of 16 to 4096 pixels a side"),
        (changed(np.nan), "depth has 1 values that are NaN or infinite: write 0 where nothing was measured"),
        (changed(np.inf), "depth has 1 values that are NaN or infinite"),
        (changed(-1), "depth goes from -1 to 2099, not from 0 to 65535 mm"),
        (changed(70_000), "depth goes from 0 to 70000, not from 0 to 65535 mm"),
        (np.zeros_like(DEPTH), "depth is 0 everywhere: nothing was measured"),
        (DEPTH / 1000, "depth has a median of 2 mm, nearer than any depth camera measures .*metres times 1000"),
        ((DEPTH / 16).astype(np.uint8), "depth has a median of 12[45] mm, nearer"),
        (DEPTH > 0, "depth holds bool, not numbers"),
        (DEPTH.astype(complex), "depth holds complex128, not numbers"),
    ],
)
def test_what_is_no_depth_is_refused_with_its_value(tmp_path: Path, depth: np.ndarray, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read(tmp_path, npz(depth))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (mat(DEPTH, "d_iner"), "has no variable d_depth; it has d_iner"),
        (mat(DEPTH[0]), "d_depth is 24x32, not height x width x frames"),
        (mat(DEPTH.transpose(1, 2, 0)), "d_depth has frames of 12x32, not of 16 to 4096 .*: it is height x width x fr"),
        (npz(DEPTH, "frames"), "has no array depth; it has frames"),
        (npz(np.array([{}]), save=np.savez), "depth holds object, not numbers"),
        (npz(DEPTH)[:-40], "is no .npz that can be read"),
        (npz(DEPTH)[:200] + bytes(300) + npz(DEPTH)[500:], "is no .npz that can be read"),
        (mat(DEPTH)[:300], "is cut off in a compressed part"),
        (b"", "is empty: copy or download it again"),
        (b"<html>", "is a web page"),
    ],
)
def test_a_broken_file_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read(tmp_path, content)


@pytest.mark.parametrize(
    ("form", "words"), [(mat, "larger than 0 MB when decompressed"), (npz, "depth is 12x2000x200")]
)
def test_a_recording_is_bounded_before_it_is_given_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: Callable, words: str
) -> None:
    monkeypatch.setattr(depth_file, "MAX_BYTES", 1 << 19)
    with pytest.raises(ValueError, match=words):
        read(tmp_path, form(np.zeros((12, 2000, 200), np.uint16)))


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a_depth.mat")
    with pytest.raises(ValueError, match="is no regular file"):
        depth_file.read(tmp_path / "a_depth.mat")

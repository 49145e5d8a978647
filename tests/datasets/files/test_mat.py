"""One variable of a .mat file, of any type, within the bytes that the caller allows."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from datasets.files import mat

FRAMES = np.arange(6 * 8 * 5, dtype=np.uint16).reshape(6, 8, 5)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("kind", [np.uint16, np.float32, np.float64, np.int32])
def test_a_variable_keeps_its_type_and_shape(tmp_path: Path, kind: type, compressed: bool) -> None:
    file = tmp_path / "a.mat"
    savemat(file, {"other": np.zeros(3), "frames": FRAMES.astype(kind)}, do_compression=compressed)
    found = mat.read_variable(file, "frames", 1 << 20)
    assert found.dtype == kind
    np.testing.assert_array_equal(found, FRAMES)


def test_the_caller_says_how_large_it_may_be(tmp_path: Path) -> None:
    file = tmp_path / "a.mat"
    savemat(file, {"frames": np.zeros((100, 100, 100), np.uint16)}, do_compression=True)
    assert mat.read_variable(file, "frames", 2_100_000).nbytes == 2_000_000  # two bytes a value, not eight
    with pytest.raises(ValueError, match="is larger than 1 MB when decompressed"):
        mat.read_variable(file, "frames", 1 << 20)
    with pytest.raises(ValueError, match="is larger than"):
        mat.read_variable(file, "frames", 100)


def test_another_variable_is_named(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"d_skel": FRAMES})
    with pytest.raises(ValueError, match="has no variable d_depth; it has d_skel"):
        mat.read_variable(tmp_path / "a.mat", "d_depth", 1 << 20)

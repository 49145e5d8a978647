"""Pickles of NumPy arrays are read; one that asks for anything else runs nothing."""

import os
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestrator.storage import arrays


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "weights.ckpt"


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL))
def test_arrays_are_read_as_they_were_written(protocol: int, file: Path) -> None:
    tree = {
        "params": {"a/b": np.arange(24, dtype=np.float32).reshape(2, 3, 4)},
        "steps": [np.array(3), 1, "word", None],
    }
    if protocol == 2:
        tree.pop("params")  # bytes are no plain ones there, and call a codec
        tree["steps"].pop(0)
    file.write_bytes(pickle.dumps(tree, protocol))
    found = arrays.read(file)
    assert found.keys() == tree.keys() and found["steps"] == tree["steps"]
    if protocol > 2:
        assert found["params"]["a/b"].dtype == np.float32
        np.testing.assert_array_equal(found["params"]["a/b"], tree["params"]["a/b"])


class Call:
    """Its pickle calls a function when it is read."""

    def __init__(self, function: Any, *arguments: Any):
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def test_a_pickle_that_would_run_code_is_refused_and_runs_none(file: Path, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    for call in (
        Call(os.mkdir, str(mark)),
        Call(eval, f"__import__('os').mkdir({str(mark)!r})"),
        Call(np.save, mark, 1),
    ):
        file.write_bytes(pickle.dumps({"params": np.zeros(2), "more": call}))
        with pytest.raises(pickle.UnpicklingError, match=r"it asks for \S+, and only NumPy arrays are read"):
            arrays.read(file)
    file.write_bytes(pickle.dumps(Call(os.mkdir, str(mark))))
    pickle.loads(file.read_bytes())  # noqa: S301
    assert mark.exists(), "what was refused would have run"


@pytest.mark.parametrize("other", [OrderedDict(a=1), Path("x"), np.float32(1), np.random.RandomState(0)])
def test_other_objects_are_refused(other: Any, file: Path) -> None:
    file.write_bytes(pickle.dumps([other]))
    with pytest.raises(pickle.UnpicklingError, match="it asks for "):
        arrays.read(file)

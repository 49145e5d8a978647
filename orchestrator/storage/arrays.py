"""Read a pickle that holds NumPy arrays and nothing else, in which form JAX projects publish weights."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np

# What a pickle of arrays names, by NumPy 1 and by NumPy 2. None of it runs code of the file's choosing.
_reconstruct = np.empty(0).__reduce__()[0]
KNOWN = {
    ("numpy", "dtype"): np.dtype,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
}


class Arrays(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in KNOWN:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, and only NumPy arrays are read")
        return KNOWN[module, name]


def read(file: Path) -> Any:
    """Arrays in dicts and lists, as the pickle nests them.

    Raises pickle.UnpicklingError where the pickle asks for anything else, before that is imported or called.
    """
    with file.open("rb") as f:
        return Arrays(f).load()

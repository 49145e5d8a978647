"""Read one array of a .npz, whose size is bounded before memory is given."""

import io
import math
import zipfile
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from datasets.files.bounded import read_bounded


def read_array(file: Path, name: str, most_bytes: int) -> np.ndarray:
    """The array `name`, of any shape and number type, as `numpy.savez` wrote it.

    `most_bytes` bounds the file and the array. Raises ValueError where one of them is larger, or the file has no such
    array of numbers.
    """
    content = read_bounded(file, most_bytes)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if f"{name}.npy" not in archive.namelist():
                there = [each.removesuffix(".npy") for each in archive.namelist()]
                raise ValueError(f"has no array {name}; it has {', '.join(there)[:200] or 'none'}")
            with archive.open(f"{name}.npy") as part:
                version = npy.read_magic(part)
                shape, _, dtype = (npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0)(part)
            if dtype.kind not in "fiu":
                raise ValueError(f"{name} holds {dtype}, not numbers")
            if math.prod(shape) * dtype.itemsize > most_bytes:
                raise ValueError(f"{name} is {'x'.join(map(str, shape))}: more than {most_bytes >> 20} MB")
            with archive.open(f"{name}.npy") as part:
                return npy.read_array(part)  # objects, which NumPy would refuse too, are none of the kinds above
    except Exception as error:  # zipfile, zlib and NumPy raise a dozen kinds on a broken file
        if isinstance(error, ValueError) and str(error).startswith((f"{name} ", "has no array")):
            raise
        raise ValueError(f"is no .npz that can be read ({type(error).__name__}: {error})") from None

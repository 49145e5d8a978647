"""Read one skeleton recording, a .mat, a .csv or a .npz, to float32 positions. S samples, J joints, D axes."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from datasets.files.bounded import read_bounded
from datasets.files.file_type import mistaken
from datasets.files.mat import read_variable
from datasets.files.npz import read_array
from datasets.signals import dialect
from datasets.skeletons.joints import Joints

MAX_BYTES = 64 << 20  # of a recording, decompressed: 20 joints for more than 10,000 samples


def read_mat(file: Path, joints: Joints) -> np.ndarray:
    """(S, J, D): `d_skel` of a UTD-MHAD skeleton file, which is (J, D, S), in metres in the Kinect camera's axes."""
    found = read_variable(file, "d_skel", MAX_BYTES)
    if found.ndim != 3 or found.shape[:2] != (len(joints.names), len(joints.axes)):
        wanted = f"{len(joints.names)} joints x {len(joints.axes)} axes x samples"
        raise ValueError(f"d_skel is {'x'.join(map(str, found.shape))}, not {wanted}")
    return found.transpose(2, 0, 1)


def read_csv(file: Path, joints: Joints) -> np.ndarray:
    """(S, J, D): a CSV with a line a sample and the columns JOINT_x, JOINT_y, JOINT_z, in any order."""
    columns = dialect.read_columns(read_bounded(file, MAX_BYTES), dict.fromkeys(joints.columns, "m"))
    return columns.reshape(len(columns), len(joints.names), len(joints.axes))


def read_npz(file: Path, joints: Joints) -> np.ndarray:
    """(S, J, D): the array `skeleton` of a .npz."""
    return read_array(file, "skeleton", MAX_BYTES)


NPZ = "_skeleton.npz"
# By the ends of files' names: a plain .mat or .csv is a signal.
READERS: Mapping[str, Callable[[Path, Joints], np.ndarray]] = {
    "_skeleton.mat": read_mat,
    "_skeleton.csv": read_csv,
    NPZ: read_npz,
}


def read_skeleton(file: Path, joints: Joints) -> np.ndarray:
    """By the end of its name. Raises ValueError for a file that can't be read."""
    ending = next((end for end in READERS if file.name.lower().endswith(end)), None)
    if ending is None:
        raise ValueError(f"is no skeleton, whose name ends in {', '.join(READERS)}")
    try:
        return READERS[ending](file, joints)
    except ValueError as error:
        other = None if ending == NPZ else mistaken(file)  # a .npz is a zip archive
        raise ValueError(other or str(error)) from None


def filled(x_SJD: np.ndarray) -> np.ndarray:
    """Each joint's missing samples, which are NaN, on straight lines between those before and after.

    Before the first and after the last it stays where it is; a joint that is in no sample stays NaN.
    """
    x_SJD, at_S = x_SJD.copy(), np.arange(len(x_SJD))
    seen_SJ = np.asarray(np.isfinite(x_SJD).all(axis=2))
    some_J = seen_SJ.any(axis=0) & ~seen_SJ.all(axis=0)
    for joint in np.flatnonzero(some_J).tolist():
        seen_S = seen_SJ[:, joint]
        for axis in range(x_SJD.shape[2]):
            x_SJD[:, joint, axis] = np.interp(at_S, at_S[seen_S], x_SJD[seen_S, joint, axis])
    return x_SJD

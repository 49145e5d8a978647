"""Fixtures: tiny corpora, their manifest, and single files of them."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from datasets import corpora
from datasets.manifest import Manifest
from datasets.signals import inertial
from datasets.synthetic import utd_mhad as synthetic


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve clips: 3 actions x 2 subjects x 2 trials. Copy them to spoil them."""
    return synthetic.write(tmp_path_factory.mktemp("recordings"), subjects=2, trials=2, actions=3)


@pytest.fixture(scope="session")
def six(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six classes, the least that five can be hidden of, of two subjects: twelve clips."""
    return synthetic.write(tmp_path_factory.mktemp("six"), subjects=2, trials=1, actions=6)


@pytest.fixture(scope="session")
def class_folders(six: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same clips in a folder a class; subjects 1 and 2 are groups 1 and 8, which split-1 tests and trains."""
    folder = tmp_path_factory.mktemp("class-folders")
    for video in sorted((six / "RGB").iterdir()):
        action, subject, trial = (int(word[1:]) for word in video.name.split("_")[:3])
        clip = folder / f"class{action}" / f"v_class{action}_g{7 * subject - 6:02}_c{trial:02}"
        clip.parent.mkdir(exist_ok=True)
        shutil.copy(video, clip.with_suffix(".avi"))
        signal = inertial.read_mat(six / "Inertial" / video.name.replace("color.avi", "inertial.mat"))
        np.savetxt(clip.with_suffix(".csv"), signal, "%.9g", ",", header=",".join(inertial.CHANNELS), comments="")
    return folder


@pytest.fixture(scope="session")
def manifest(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return corpora.read("synthetic", recordings, tmp_path_factory.mktemp("cache"), ("imu", "video"))


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In MMAct's layout: one subject at the desk, four instances, 16 clips."""
    from datasets.synthetic import mmact as synthetic_mmact

    return synthetic_mmact.write(tmp_path_factory.mktemp("mmact"), subjects=(14,), scenes=(3,), sessions=(2,))


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Six frames of H.264."""
    from tests.support.recordings.mmact_files import SIX, written

    return written(tmp_path_factory.mktemp("film") / "film.mp4", SIX).read_bytes()


@pytest.fixture
def tree(tmp_path: Path, film: bytes) -> Callable[..., Path]:
    """Writes instances with all sensors and two cameras, as tree((subject, scene, session, class), ...)."""
    from tests.support.recordings.mmact_files import write_instances

    def write(*instances: tuple, sensors: str = "", videos: str = "trimmed", cameras: tuple = (1, 2)) -> Path:
        write_instances(tmp_path, film, instances, sensors, videos, cameras)
        return tmp_path

    return write


@pytest.fixture(scope="session")
def files(recordings: Path) -> dict[str, Path]:
    """A clip's video and signal."""
    from tests.support.runs.untrained import CLIP

    return {"video": recordings / f"RGB/{CLIP}_color.avi", "imu": recordings / f"Inertial/{CLIP}_inertial.mat"}


@pytest.fixture(scope="session")
def csv(files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clip's signal, its columns in another order."""
    signal, file = inertial.read_mat(files["imu"]), tmp_path_factory.mktemp("csv") / "signal.csv"
    order = [3, 1, 2, 0, 5, 4]
    header = ",".join(inertial.CHANNELS[i] for i in order)
    np.savetxt(file, signal[:, order], delimiter=",", header=header, comments="", fmt="%.9g")
    return file

"""The synthetic corpus: physics of the drawn figure, its twin classes, and the files of `write`."""

import json
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from scipy.io import loadmat
from scipy.spatial.transform import Rotation

from datasets.corpora.utd_mhad import CLASSES
from datasets.synthetic import sensors
from datasets.synthetic import utd_mhad as synthetic
from datasets.synthetic.figure import FINE_RATE, OVERSAMPLING, SAMPLE_RATE, Figure
from datasets.synthetic.movements import SIGNAL_TWINS, VIDEO_TWINS

SMALL: dict[str, Any] = {"subjects": 1, "trials": 1, "actions": 2, "seed": 3}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthetic.write(tmp_path_factory.mktemp("corpus"), **SMALL)


def film(moving: Figure) -> np.ndarray:
    """(16, 30, 40, 3): the clip's movement sped up to 16 frames, scaled down by 8."""
    at = np.linspace(0, len(moving.sensor) - 1, 16 * FINE_RATE // sensors.FRAME_RATE).astype(int)
    fast = moving._replace(joints={name: place[at] for name, place in moving.joints.items()}, sensor=moving.sensor[at])
    images = np.stack(list(sensors.frames(fast, np.random.default_rng(0)))).astype(float)
    return images.reshape(16, 30, 8, 40, 8, 3).mean(axis=(2, 4))


def signal(moving: Figure) -> np.ndarray:
    """(100, 6): the clip's ideal signal without its mean, both sensors scaled alike."""
    values = sensors.measure(moving) / np.repeat([1, 200], 3)
    at = np.linspace(0, len(values) - 1, 100)
    values = np.stack([np.interp(at, np.arange(len(values)), channel) for channel in values.T], axis=1)
    return values - values.mean(axis=0)


Distances = dict[tuple[str, str], tuple[float, float]]


@pytest.fixture(scope="module")
def distances() -> Distances:
    """(video, signal) per pair of the twins' classes, means over two subjects, in medians over all those pairs.

    The signals' distance is relative to both signals' own size, or every fast movement would be far from all.
    """
    names = sorted({name for pair in VIDEO_TWINS + SIGNAL_TWINS for name in pair})
    found = dict.fromkeys(combinations(names, 2), np.zeros(2))
    for subject in (1, 2):
        figures = {name: synthetic.figure(0, CLASSES.index(name) + 1, subject, 1) for name in names}
        films = {name: film(moving) for name, moving in figures.items()}
        signals = {name: signal(moving) for name, moving in figures.items()}
        size = {name: np.linalg.norm(values) for name, values in signals.items()}
        for a, b in found:
            apart = np.linalg.norm(signals[a] - signals[b]) / np.hypot(size[a], size[b])
            found[a, b] = found[a, b] + [np.abs(films[a] - films[b]).mean(), apart]
    median = np.median(list(found.values()), axis=0)
    return {pair: tuple(values / median) for (a, b), values in found.items() for pair in ((a, b), (b, a))}


@pytest.mark.parametrize("pair", VIDEO_TWINS)
def test_video_twins_look_alike_and_measure_differently(pair: tuple[str, str], distances: Distances) -> None:
    video, inertial = distances[pair]
    assert video < 0.65
    assert inertial > 0.6


@pytest.mark.parametrize("pair", SIGNAL_TWINS)
def test_signal_twins_measure_alike_and_look_different(pair: tuple[str, str], distances: Distances) -> None:
    video, inertial = distances[pair]
    assert inertial < 0.5
    assert video > 0.7


@pytest.mark.parametrize("action", [1, 19, 21, 22, 25])
def test_at_rest_the_sensor_measures_one_g(action: int) -> None:
    moving = synthetic.figure(0, action, 2, 1)
    resting = sensors.inertial(moving, np.random.default_rng(0))[:8]
    assert np.linalg.norm(resting[:, :3], axis=1) == pytest.approx(1, abs=0.12)
    assert np.abs(resting[:, 3:]).max() < 15


@pytest.mark.parametrize("action", [1, 3, 9, 19, 23, 24, 27])
def test_integrated_angular_rate_is_the_sensors_rotation(action: int) -> None:
    moving = synthetic.figure(0, action, 1, 1)
    turned = Rotation.identity()
    for rate in sensors.measure(moving)[:-1, 3:]:
        turned = turned * Rotation.from_rotvec(rate / SAMPLE_RATE, degrees=True)
    last = moving.rotation[len(moving.sensor) - OVERSAMPLING]
    error = (moving.rotation[0] * turned).inv() * last
    assert np.degrees(error.magnitude()) < 1.5


def test_twice_integrated_specific_force_is_the_sensors_path() -> None:
    moving = synthetic.figure(0, 1, 1, 1)
    rotations = moving.rotation[OVERSAMPLING // 2 :: OVERSAMPLING]
    force = sensors.measure(moving)[:, :3]
    acceleration = (rotations.apply(force) - [0, 1, 0]) * sensors.GRAVITY
    path = np.cumsum(np.cumsum(acceleration, axis=0), axis=0) / SAMPLE_RATE**2
    true = moving.sensor[OVERSAMPLING // 2 :: OVERSAMPLING] - moving.sensor[0]
    assert np.abs(path - true).max() < 0.1
    assert np.ptp(true, axis=0).max() > 0.5


def test_clips_last_as_long_as_utd_mhads_and_stay_in_range() -> None:
    for action in range(1, 28, 3):
        values = sensors.inertial(synthetic.figure(0, action, 2, 2), np.random.default_rng(0))
        assert 107 <= len(values) <= 326
        assert np.abs(values[:, :3]).max() <= 8
        assert np.abs(values[:, 3:]).max() <= 1000


def test_files_are_in_utd_mhads_layout_and_codecs(corpus: Path) -> None:
    stems = ["a1_s1_t1", "a2_s1_t1"]
    names = {f"RGB/{stem}_color.avi" for stem in stems} | {f"Inertial/{stem}_inertial.mat" for stem in stems}
    assert set(contents(corpus)) == names | {"corpus.json"}
    assert json.loads((corpus / "corpus.json").read_text()).items() >= SMALL.items()
    for stem in stems:
        values = loadmat(str(corpus / "Inertial" / f"{stem}_inertial.mat"))["d_iner"]
        assert values.dtype == np.float64
        assert values.shape[1:] == (6,)
        with av.open(str(corpus / "RGB" / f"{stem}_color.avi")) as container:
            stream = container.streams.video[0]
            assert (container.format.name, stream.codec_context.name) == ("avi", "mpeg4")
            assert stream.codec_context.codec_tag == "XVID"
            assert (stream.width, stream.height, stream.pix_fmt) == (320, 240, "yuv420p")
            assert stream.average_rate == 15
            assert sum(1 for _ in container.decode(stream)) == stream.frames
            assert stream.frames == pytest.approx(len(values) * 15 / 50, abs=1)


@pytest.mark.parametrize("spawn_from", [1, 100])
def test_the_same_arguments_write_the_same_bytes_and_tell_progress(
    spawn_from: int, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(synthetic, "SPAWN_FROM", spawn_from)  # in processes of their own, and in this one
    told: list[tuple[int, int]] = []
    synthetic.write(tmp_path / "again", **SMALL, on_progress=lambda done, total: told.append((done, total)))
    assert contents(tmp_path / "again") == contents(corpus)
    assert told == [(1, 2), (2, 2)]


@pytest.fixture
def restored(corpus: Path) -> Iterator[dict[str, bytes]]:
    """The corpus's contents, put back after a test that spoils them."""
    before = contents(corpus)
    yield before
    for name, content in before.items():
        (corpus / name).write_bytes(content)


def test_a_finished_corpus_is_left_alone(corpus: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in corpus.rglob("*")}
    assert synthetic.write(corpus, **SMALL) == corpus
    assert {path: path.stat().st_mtime_ns for path in corpus.rglob("*")} == before


def test_an_interrupted_write_is_completed(corpus: Path, restored: dict[str, bytes]) -> None:
    for name in ("corpus.json", "RGB/a1_s1_t1_color.avi"):
        (corpus / name).unlink()
    (corpus / "RGB" / ".a1_s1_t1_color.avi.0123456789ab.part").write_bytes(b"half a film")
    synthetic.write(corpus, **SMALL)
    assert contents(corpus) == restored


ALL = ("depth", "imu", "skeleton", "video")


def test_a_finished_corpus_gets_the_modalities_it_lacks(corpus: Path, tmp_path: Path) -> None:
    """In any order, and with the same bytes as all at once; what is there isn't written again."""
    whole = contents(synthetic.write(tmp_path / "whole", **SMALL, modalities=ALL))
    folder = synthetic.write(tmp_path / "added", **SMALL, modalities=("video",))
    before = (folder / "RGB/a1_s1_t1_color.avi").stat().st_mtime_ns
    told: list[tuple[int, int]] = []
    for modality in ("depth", "skeleton", "imu"):
        synthetic.write(folder, **SMALL, modalities=(modality,), on_progress=lambda *done: told.append(done))
    assert told == [(1, 2), (2, 2)] * 3
    assert contents(folder) == whole and (folder / "RGB/a1_s1_t1_color.avi").stat().st_mtime_ns == before
    assert contents(corpus).items() <= whole.items()
    (folder / "Depth/a2_s1_t1_depth.mat").unlink()
    synthetic.write(folder, **SMALL, modalities=ALL, on_progress=lambda *done: told.append(done))
    assert contents(folder) == whole and told[6:] == [(2, 2)]


def test_an_unfinished_corpus_is_known_by_its_skeletons_too(tmp_path: Path) -> None:
    synthetic.write(tmp_path, **SMALL, modalities=("skeleton",))
    (tmp_path / "corpus.json").unlink()
    with pytest.raises(ValueError, match=r"a1_s1_t1_skeleton\.mat of another corpus"):
        synthetic.write(tmp_path, **{**SMALL, "seed": 4})


def test_other_parameters_are_refused(corpus: Path, restored: dict[str, bytes]) -> None:
    with pytest.raises(ValueError, match=str(corpus)):
        synthetic.write(corpus, **{**SMALL, "seed": 4})
    with pytest.raises(ValueError, match="has no recordings of sound, only of video, imu, skeleton, depth"):
        synthetic.write(corpus, **SMALL, modalities=("imu", "sound"))
    (corpus / "corpus.json").unlink()
    for other in ({"seed": 4}, {"actions": 1}):  # an interrupted corpus has no corpus.json: its clips tell
        with pytest.raises(ValueError, match="another corpus"):
            synthetic.write(corpus, **{**SMALL, **other})

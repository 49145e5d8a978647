"""What every corpus keeps, so that all that is built on a Manifest holds for it.

pytest tests/datasets/test_corpus.py                                   the corpora that are here, on a few clips each
pytest tests/datasets/test_corpus.py --corpus mine --recordings DIR    one's own, on all of its recordings
"""

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pytest

from datasets import corpora, splits
from datasets.corpora import CORPORA
from datasets.decoding import Recordings
from datasets.files.bad_file import BadRecordings
from datasets.manifest import Manifest
from datasets.modalities import imu, video
from datasets.modalities.imu import Imu
from datasets.synthetic import mmact as synthetic_mmact
from tests.support.recordings.films import count_frames

LOOKED_AT = 8  # clips that are decoded, spread over the corpus
MOST_CLASSES = 10_000
BOTH = ("imu", "video")


@dataclass(frozen=True)
class Case:
    """A corpus, the folder of its recordings and what is read there."""

    name: str
    folder: Path
    cache: Path
    manifest: Manifest

    def read(self, folder: Path, *, skip_bad: bool = False) -> Manifest:
        return corpora.read(self.name, folder, self.cache, BOTH, skip_bad=skip_bad)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "case" in metafunc.fixturenames:
        given = metafunc.config.getoption("--corpus")
        names = [given] if given else ["utd-mhad", "mmact", "class-folders"]
        metafunc.parametrize("case", names, indirect=True, scope="module")


@pytest.fixture(scope="module")
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    name, cache = request.param, tmp_path_factory.mktemp("cache")
    folder = request.config.getoption("--recordings") or few(name, request, tmp_path_factory.mktemp(name))
    return Case(name, folder, cache, corpora.read(name, folder, cache, BOTH))


def few(name: str, request: pytest.FixtureRequest, to: Path) -> Path:
    """A few clips of two subjects in the layout of a corpus that is here."""
    if name == "mmact":
        return synthetic_mmact.write(to, subjects=(14, 17), scenes=(3,), sessions=(2,))
    return request.getfixturevalue("class_folders" if name == "class-folders" else "recordings")


def rows(manifest: Manifest) -> list[dict]:
    """Some of the clips, the first and the last among them."""
    clips = manifest.clips
    at = np.unique(np.linspace(0, clips.num_rows - 1, LOOKED_AT).astype(int))
    return clips.take(at).to_pylist()


def files(clip: dict) -> list[str]:
    """A clip's files; MMAct's column imu names four, of which some may be missing."""
    return [name for name in (clip["video"], *clip["imu"].split("|")) if name]


@pytest.fixture
def part(case: Case, tmp_path: Path) -> Path:
    """A copy of a few clips, to be spoiled, with links to what else the folder holds."""
    all_clips, kept = case.manifest.clips.to_pylist(), rows(case.manifest)
    of_clips = {name for clip in all_clips for name in files(clip)}
    of_clips |= {bad.file for bad in case.manifest.bad}
    copied = {name for clip in kept for name in files(clip)}
    for parent, _, names in os.walk(case.folder, followlinks=True):
        for file in (Path(parent, name) for name in names):
            name = str(file.relative_to(case.folder))
            to = tmp_path / "part" / name
            if name in copied or name not in of_clips:
                to.parent.mkdir(parents=True, exist_ok=True)
            if name in copied:
                shutil.copy2(file, to)
            elif name not in of_clips:
                to.symlink_to(file.resolve())
    return tmp_path / "part"


def test_a_clip_has_a_name_of_its_own_and_a_class(case: Case) -> None:
    manifest, clips = case.manifest, case.manifest.clips
    assert clips.num_rows and manifest.layout in CORPORA
    names, labels = clips["clip"].to_pylist(), splits.labels(manifest)
    assert len(set(names)) == len(names), "two clips have one name"
    assert all(names) and 2 <= len(manifest.classes) <= MOST_CLASSES and all(manifest.classes)
    assert len(set(manifest.classes)) == len(manifest.classes), "two classes have one name"
    assert labels.min() >= 0 and labels.max() < len(manifest.classes)
    assert manifest.modalities == BOTH
    for name in BOTH:
        assert all(len(content) >= 16 for content in clips[f"{name}_content"].to_pylist()), "content is no digest"
        assert min(clips[f"{name}_count"].to_pylist()) >= 1


def test_the_files_are_there_and_in_the_folder(case: Case) -> None:
    assert case.manifest.root == case.folder.resolve()
    for clip in case.manifest.clips.to_pylist():
        for name in files(clip):
            path = PurePosixPath(name)
            assert not path.is_absolute() and ".." not in path.parts, f"{clip['clip']}: {name} leaves the folder"
            assert (case.folder / name).is_file(), f"{clip['clip']}: {name} is missing"


def test_a_manifest_that_is_stored_is_the_same(case: Case, tmp_path: Path) -> None:
    case.manifest.write(tmp_path / "manifest.parquet")
    back = Manifest.read(tmp_path / "manifest.parquet")
    assert back.digest == case.manifest.digest and back.clips.equals(case.manifest.clips)
    assert (back.classes, back.bad, back.notes) == (case.manifest.classes, case.manifest.bad, case.manifest.notes)


def test_signals_have_the_corpuss_channels_and_are_finite(case: Case) -> None:
    source = corpora.of(case.name).source("imu")
    channels = source.channels
    assert channels
    for clip in rows(case.manifest):
        signal = Imu().read(case.manifest.root, clip["imu"], source)
        assert signal.shape == (clip["imu_count"], channels) and signal.dtype == np.float32, clip["clip"]
        # NaN is where a sensor has no sample while others have: it is padding.
        assert not np.isinf(signal).any(), f"{clip['clip']}: an infinite sample"
        if len(clip.get("missing", "").split()) * 3 == channels:  # MMAct's, where no sensor has a sample
            continue
        assert np.isfinite(signal).any(axis=1).all(), f"{clip['clip']}: samples of no sensor"
        if not clip.get("missing"):
            assert signal[np.isfinite(signal).all(axis=1)].std(axis=0).max() > 0, f"{clip['clip']}: nothing moves"


def test_videos_decode_to_as_many_frames_as_the_manifest_says(case: Case) -> None:
    for clip in rows(case.manifest):
        assert count_frames(case.folder / clip["video"]) == clip["video_count"], clip["clip"]


def test_clips_become_what_shards_hold(case: Case) -> None:
    """The code that every run's data goes through."""
    manifest = case.manifest
    at = np.unique(np.linspace(0, manifest.clips.num_rows - 1, LOOKED_AT).astype(int))
    settings, source = imu.Settings(), corpora.of(case.name).source("imu")
    signals = Recordings.of(manifest, "imu", Imu().input(settings, source, lambda rate: manifest.longest("imu", rate)))
    table = signals.table(at.tolist())
    assert table["imu_length"].to_pylist() == manifest.clips["imu_count"].to_numpy()[at].tolist()
    table = Recordings.of(manifest, "video", video.Input(4, 16, 4, 16)).table(at.tolist())
    assert table["video_length"].to_pylist() == np.minimum(manifest.clips["video_count"].to_numpy()[at], 4).tolist()
    films = np.stack(table["video"].to_numpy()).reshape(len(at), 4, 16, 16, 3)
    assert films.dtype == np.uint8 and all(film[0].std() > 0 for film in films), "a first frame is of one colour"


def sides(manifest: Manifest, fold: str) -> tuple[np.ndarray, np.ndarray] | None:
    """None where these recordings have nobody on one of them."""
    try:
        return splits.split(manifest, fold)
    except ValueError:
        return None


def test_nobody_stands_on_both_sides_of_a_split(case: Case) -> None:
    manifest = case.manifest
    subjects, instances, labels = (
        manifest.clips["subject"].to_numpy(),
        splits.instances(manifest),
        splits.labels(manifest),
    )
    protocols = {**splits.protocols(manifest), splits.LEAVE_ONE_OUT: None}
    ran = []
    for name, protocol in protocols.items():
        for fold in splits.folds(manifest, name):
            found = sides(manifest, fold)
            if found is None:
                continue
            train, test = found
            ran.append(name)
            assert not set(train) & set(test) and len(set(train)) == len(train) and len(set(test)) == len(test)
            told = protocol.kind if protocol else "cross-subject"
            if told == "cross-subject":
                assert not set(subjects[train]) & set(subjects[test]), f"{fold}: a subject is on both sides"
            if "IN TRAINING" not in told:
                assert not set(instances[train]) & set(instances[test]), f"{fold}: an instance is on both sides"
            assert len(set(labels[train])) >= 2, f"{fold}: trains one class"
            assert name in splits.describe(manifest, name)
    assert splits.default(manifest) in ran, f"{splits.default(manifest)}, the first protocol, has an empty side here"


def test_a_copy_is_the_same_corpus_and_other_content_another(case: Case, part: Path, tmp_path: Path) -> None:
    first, again = case.read(part), case.read(Path(shutil.copytree(part, tmp_path / "copy")))
    assert again.digest == first.digest and again.clips.equals(first.clips) and again.root != first.root
    kept = {clip["clip"] for clip in rows(case.manifest)}
    assert set(first.clips["clip"].to_pylist()) == kept, "whether a clip is read depends on another one"
    clip = first.clips.to_pylist()[0]
    whole = files(first.clips.to_pylist()[-1])
    shutil.copy(part / whole[0], part / clip["video"])
    assert case.read(part).digest != first.digest, "a changed video is not noticed"


def test_signals_read_alone_are_those_of_both(case: Case, part: Path) -> None:
    both = case.read(part)
    alone = corpora.read(case.name, part, case.cache, ("imu",))
    assert alone.modalities == ("imu",) and alone.digest == both.of(("imu",)).digest
    assert alone.clips.equals(both.of(("imu",)).clips) and not alone.bad


def test_a_folder_is_read_again_when_a_file_changes(case: Case, part: Path) -> None:
    seen, [clip, *_] = corpora.of(case.name).seen, rows(case.manifest)
    before = list(seen(part))
    assert list(seen(part)) == before
    for name in files(clip):
        os.utime(part / name, ns=(0, 0))
        after = list(seen(part))
        assert after != before, f"a change of {name} is not noticed"
        before = after


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 3])


def replaced(file: Path) -> None:
    file.write_bytes(b"\x00\xff no recording\n" * 99)


def lost(file: Path) -> None:
    file.unlink()
    file.symlink_to(file.parent / "gone")


SPOILT = [("video", replaced), ("video", cut), ("imu", replaced), ("video", lost), ("imu", lost)]


# A text file that is cut off at the end of a line is whole.
@pytest.mark.parametrize(("kind", "spoil"), SPOILT)
def test_a_bad_file_is_named_with_the_reason(kind: str, spoil: Callable[[Path], None], case: Case, part: Path) -> None:
    clip = rows(case.manifest)[0]
    bad = clip["video"] if kind == "video" else next(name for name in clip["imu"].split("|") if name)
    spoil(part / bad)
    with pytest.raises(BadRecordings) as raised:
        case.read(part)
    assert [found.file for found in raised.value.bad] == [bad] and raised.value.bad[0].reason
    assert f"{bad}: " in str(raised.value) and "--skip-bad" in str(raised.value)
    left = case.read(part, skip_bad=True)
    assert clip["clip"] not in left.clips["clip"].to_pylist() and left.clips.num_rows
    assert [found.file for found in left.bad] == [bad]


def test_another_folder_is_refused_in_a_line(case: Case, tmp_path: Path) -> None:
    for folder in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(ValueError, match=re.escape(str(folder))) as raised:
            case.read(folder)
        assert "\n" not in str(raised.value)

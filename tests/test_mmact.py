"""MMAct: a test for each oddity of the release, on trees of tiny files; and the synthetic corpus in its layout."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pytest
import torch

from datasets import corpora, decode, mp4, shards, signals, splits
from datasets.corpora import mmact, synthetic_mmact
from datasets.manifest import BadRecordings, Manifest
from datasets.spec import Sampling
from experiments import full_grid
from models.imu import ImuEncoder
from models.spec import ImuModel
from orchestrator import paper
from orchestrator.plan import Plan
from orchestrator.reader import rows_of
from orchestrator.scale import recipe_of
from orchestrator.study import Study

STAMP = "20181016_13:37:28"
ROWS = "".join(f"{STAMP}.{i:02d}0000,{i},9.8,-0.5\n" for i in range(60))


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Six frames of H.264."""
    file = tmp_path_factory.mktemp("film") / "film.mp4"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        for i in range(6):
            image = np.full((32, 32, 3), 40 * i, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode())
    return file.read_bytes()


Tree = Callable[..., Path]


@pytest.fixture
def tree(tmp_path: Path, film: bytes) -> Tree:
    """Writes instances with all sensors and two cameras, as tree((subject, scene, session, class), ...)."""

    def write(*instances: tuple, sensors: str = "", videos: str = "trimmed", cameras: tuple = (1, 2)) -> Path:
        for subject, scene, session, name in instances:
            inner = f"scene{scene}/session{session}/{name}"
            for sensor in signals.SENSORS:
                put(tmp_path / sensors / f"{sensor}_clip/subject{subject}/{inner}.csv", ROWS.encode())
            for camera in cameras:
                put(tmp_path / videos / f"subject{subject}/cam{camera}/{inner}.mp4", film)
        return tmp_path

    return write


def put(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def read(folder: Path, **options: object) -> Manifest:
    return corpora.read("mmact", folder, folder.parent / "scans", **options)  # pyright: ignore[reportArgumentType]


def csv_of(folder: Path, sensor: str, where: str = "subject1/scene1/session1/walking") -> Path:
    return folder / f"{sensor}_clip" / f"{where}.csv"


# The tree


@pytest.mark.parametrize("sensors", ["", "sensors", "Sensor_trimmed/2019"])
@pytest.mark.parametrize("videos", ["", "trimmed", "cross_view/trainval"])
def test_every_variant_of_the_folders_is_one_corpus(tree: Tree, sensors: str, videos: str) -> None:
    manifest = read(tree((1, 1, 1, "walking"), (17, 3, 5, "using_pc"), sensors=sensors, videos=videos))
    clips = manifest.clips.to_pylist()
    assert [clip["clip"] for clip in clips] == [
        f"{which}_cam{camera}"
        for which in ("subject1_scene1_session1_walking", "subject17_scene3_session5_using_pc")
        for camera in (1, 2)
    ]
    assert [(c["subject"], c["scene"], c["trial"], c["camera"]) for c in clips[2:]] == [(17, 3, 5, 1), (17, 3, 5, 2)]
    assert {(c["frames"], c["samples"], c["missing"]) for c in clips} == {(6, 60, "")}
    assert (manifest.corpus, manifest.video, manifest.notes) == ("MMAct", "RGB", ())


def test_views_share_their_signals_and_nothing_else(tree: Tree) -> None:
    clips = read(tree((1, 1, 1, "walking"), (1, 1, 2, "walking"))).clips.to_pylist()
    assert len({clip["imu"] for clip in clips}) == len({clip["instance"] for clip in clips}) == 2
    assert len({clip["video"] for clip in clips}) == 4
    assert all(a["imu"] == b["imu"] for a, b in (clips[:2], clips[2:]))


def test_a_clip_that_is_in_both_of_the_challenges_folders_counts_once(tree: Tree) -> None:
    tree((1, 1, 1, "walking"), videos="cross_scene/trainval")
    assert read(tree((1, 1, 1, "walking"), videos="cross_view/trainval")).clips.num_rows == 2


def test_key_points_are_no_videos(tree: Tree) -> None:
    folder = tree((1, 1, 1, "walking"), videos="cross_view/trainval")
    put(folder / "pose/cross_view/trainval/subject1/cam1/scene1/session1/walking.json", b"{}")
    assert read(folder).clips.num_rows == 2


def test_padded_subjects_and_capitals_are_the_same_instance(tree: Tree) -> None:
    folder = tree((14, 1, 2, "carrying_light"))
    (folder / "gyro_clip/subject14").rename(folder / "gyro_clip/subject014")
    video = folder / "trimmed/subject14/cam1/scene1/session2/carrying_light.mp4"
    video.rename(video.with_name("Carrying_light.mp4"))
    found = read(folder)
    assert found.clips["missing"].to_pylist() == ["", ""] and len(set(found.clips["instance"].to_pylist())) == 1
    assert found.classes[found.clips["label"][0].as_py()] == "carrying_light"


def test_35_classes_or_the_papers_37(tree: Tree) -> None:
    folder = tree((1, 1, 1, "using_phone"), (1, 3, 1, "using_phone"), (1, 3, 1, "talking_on_phone"), cameras=(1,))
    names = {}
    for desk in (False, True):
        found = read(folder, desk_classes=desk)
        assert len(found.classes) == len(set(found.classes)) == (37 if desk else 35)
        names[desk] = [found.classes[label] for label in found.clips["label"].to_pylist()]
    assert names[False] == ["using_phone", "talking_on_phone", "using_phone"]
    assert names[True] == ["using_phone", "talking_on_phone_desk", "using_phone_desk"]
    assert read(folder).digest != read(folder, desk_classes=True).digest


def test_a_camera_that_lacks_a_clip_is_noted(tree: Tree) -> None:
    folder = tree((1, 1, 1, "walking"), (1, 1, 2, "walking"))
    (folder / "trimmed/subject1/cam2/scene1/session2/walking.mp4").unlink()
    found = read(folder)
    assert found.clips.num_rows == 3 and found.notes == ("of 2 instances a camera lacks its clip (cam2 1)",)


@pytest.mark.parametrize("content", [b"", b"\n", b"time,x,y,z\n", None])
def test_a_sensor_without_a_sample_is_padded_and_counted_or_left_out(tree: Tree, content: bytes | None) -> None:
    folder = tree((1, 1, 1, "walking"), (17, 1, 1, "walking"))
    file = csv_of(folder, "gyro")
    file.unlink() if content is None else file.write_bytes(content)
    padded = read(folder)
    assert padded.clips["missing"].to_pylist() == ["gyro", "gyro", "", ""]
    assert padded.notes == ("1 of 2 instances lack a sensor's samples, which are padded (gyro 1)",)
    signal = corpora.signal("mmact", folder, padded.clips["imu"][0].as_py())
    assert np.isnan(signal[:, 6:9]).all() and np.isfinite(np.delete(signal, [6, 7, 8], axis=1)).all()
    left = read(folder, missing_sensors="exclude")
    assert left.clips["subject"].to_pylist() == [17, 17]
    assert left.notes == ("1 instances that lack a sensor's samples are left out",)
    assert left.digest != padded.digest


def test_the_digest_is_of_the_content(tree: Tree) -> None:
    folder = tree((1, 1, 1, "walking"))
    before = read(folder)
    copy = folder.parent / "copy"
    shutil.copytree(folder, copy)
    assert read(copy).digest == before.digest
    csv_of(folder, "gyro").write_text(ROWS.replace("9.8", "9.7"))
    changed = read(folder).clips["content"].to_pylist()
    assert set(changed).isdisjoint(before.clips["content"].to_pylist())


def test_a_manifest_comes_back_as_it_was(tree: Tree, tmp_path: Path) -> None:
    folder = tree((1, 1, 1, "walking"))
    csv_of(folder, "gyro").unlink()
    found = read(folder)
    found.write(tmp_path / "manifest.parquet")
    back = Manifest.read(tmp_path / "manifest.parquet")
    assert (back.digest, back.notes, back.classes) == (found.digest, found.notes, found.classes)
    assert back.clips.equals(found.clips)


# What is bad


def bad(folder: Path) -> dict[str, str]:
    with pytest.raises(BadRecordings) as raised:
        read(folder)
    return {b.file: b.reason for b in raised.value.bad}


@pytest.mark.parametrize("name", ["sesion1", "session", "session_1", "session0"])
def test_a_session_folder_with_a_wrong_name(tree: Tree, name: str) -> None:
    folder = tree((1, 1, 1, "walking"), (1, 1, 2, "walking"))
    for parent in ("gyro_clip/subject1/scene1", "trimmed/subject1/cam1/scene1"):
        (folder / parent / "session1").rename(folder / parent / name)
    found = bad(folder)
    assert set(found) == {f"gyro_clip/subject1/scene1/{name}", f"trimmed/subject1/cam1/scene1/{name}"}
    assert found[f"trimmed/subject1/cam1/scene1/{name}"] == "is not named as in subjectN/camN/sceneN/sessionN"
    assert read(folder, skip_bad=True).clips.num_rows == 3


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (f"{STAMP}.5,1,2\n", "Row #1: Expected 4 columns, got 3"),
        (f"{ROWS}{STAMP}.9,1,2\n", "Row #61: Expected 4 columns, got 3"),
        (f"{ROWS}{STAMP}.9,1,2,3,4\n", "Expected 4 columns, got 5"),
        (f"{ROWS}2018-10-16 13:37:29,1,2,3\n", "isn't of the form 20181016_13:37:28.612000: '2018-10-16 13:37:29'"),
        (f"{ROWS}20181316_13:37:28,1,2,3\n", "has a time stamp of no such day or time"),
        (f"{ROWS}{STAMP},1,nan,3\n", "1 values that are NaN or infinite"),
        (f"{ROWS}{STAMP},1,,3\n", "invalid value ''"),
        (f"{ROWS}{STAMP},1,left,3\n", "invalid value 'left'"),
    ],
)
def test_a_bad_csv_is_named_with_its_fault(tree: Tree, content: str, reason: str) -> None:
    folder = tree((1, 1, 1, "walking"), (1, 1, 2, "walking"))
    csv_of(folder, "acc_watch").write_text(content)
    found = bad(folder)
    assert list(found) == ["acc_watch_clip/subject1/scene1/session1/walking.csv"] and reason in next(
        iter(found.values())
    )
    assert read(folder, skip_bad=True).clips["trial"].to_pylist() == [2, 2]


def sound_only() -> bytes:
    file = Path("sound.mp4")
    with av.open(str(file), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file.read_bytes()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda film: b"", "has no moov box"),
        (lambda film: film[: len(film) // 2], "is cut off"),
        (lambda film: b"RIFF\x00\x00\x00\x04AVI " * 9, "is "),
        (lambda film: sound_only(), "has no video stream"),
    ],
)
def test_a_bad_video_is_named_and_the_other_view_stays(
    tree: Tree, film: bytes, spoil: Callable, reason: str, monkeypatch: pytest.MonkeyPatch, tmp_path_factory
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("cwd"))
    folder = tree((1, 1, 1, "walking"))
    (folder / "trimmed/subject1/cam2/scene1/session1/walking.mp4").write_bytes(spoil(film))
    found = bad(folder)
    assert list(found) == ["trimmed/subject1/cam2/scene1/session1/walking.mp4"] and reason in str(found)
    assert read(folder, skip_bad=True).clips["camera"].to_pylist() == [1]


def test_an_instance_that_no_camera_saw_and_a_class_that_is_none(tree: Tree) -> None:
    folder = tree((1, 1, 1, "walking"))
    put(csv_of(folder, "gyro", "subject1/scene1/session1/running"), ROWS.encode())
    put(csv_of(folder, "gyro", "subject1/scene1/session1/swimming"), ROWS.encode())
    assert bad(folder) == {
        "gyro_clip/subject1/scene1/session1/running.csv": "no camera has a clip of it",
        "gyro_clip/subject1/scene1/session1/swimming.csv": "is not named CLASS.csv after a class",
    }


@pytest.mark.parametrize(("gone", "words"), [("*_clip", "a sensor's folder"), ("trimmed", "videos (subjectN/camN")])
def test_a_folder_that_is_no_mmact_is_refused(tree: Tree, gone: str, words: str) -> None:
    folder = tree((1, 1, 1, "walking"))
    for path in folder.glob(gone):
        shutil.rmtree(path)
    with pytest.raises(ValueError, match=r"holds no .* Unpack MMAct's archives there") as raised:
        read(folder)
    assert words in str(raised.value)


def test_mmacts_options_are_for_mmact(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="MMAct alone"):
        corpora.read("utd-mhad", tmp_path, tmp_path, desk_classes=True)


# Signals


@pytest.mark.parametrize("names", ["", "time,x,y,z\n", "time,azimuth,pitch,roll\r\n"])
def test_a_csv_with_names_above_it_or_without_keeps_its_first_row(names: str) -> None:
    time, values = signals.parse((names + ROWS).encode())
    assert values.shape == (60, 3) and values[0].tolist() == pytest.approx([0, 9.8, -0.5])
    assert (np.diff(time) == 10_000_000).all()


def test_stamps_without_a_fraction_repeated_and_stepping_back() -> None:
    stamps = ["20181016_23:59:59.990000", "20181017_00:00:00", "20181017_00:00:00", "20181016_23:59:59.995000"]
    time, values = signals.parse("".join(f"{s},{i},0,0\n" for i, s in enumerate(stamps)).encode())
    assert ((time - time[0]) // 1_000_000).tolist() == [0, 10, 10, 5]
    assert values[:, 0].tolist() == [0, 1, 2, 3]  # rows stay as they stand in the file


def sensor(rate: int, seconds: float, offset: float = 0.0) -> bytes:
    """A sensor that measures the time itself, in seconds, on every axis."""
    lines = []
    for i in range(int(seconds * rate)):
        at = offset + i / rate
        lines.append(f"20181016_13:37:{28 + int(at):02d}.{round(at % 1 * 1e6):06d},{at},{at},{at}\n")
    return "".join(lines).encode()


@pytest.fixture
def four(tmp_path: Path) -> list[Path | None]:
    files: list[Path | None] = []
    for name, rate, offset in (("a", 100, 0.0), ("w", 100, 0.5), ("g", 50, 0.0), ("o", 50, 0.0)):
        put(tmp_path / name, sensor(rate, 3, offset))
        files.append(tmp_path / name)
    return files


def test_sensors_follow_their_own_rates_and_are_padded(four: list[Path | None]) -> None:
    signal = signals.read(four)
    assert signal.shape == (300, signals.CHANNELS) and signal.dtype == np.float32
    assert np.isnan(signal).sum(axis=0).tolist() == [0] * 6 + [150] * 6
    assert signal[100, [0, 3, 6]].tolist() == pytest.approx([1.0, 1.5, 2.0])


@pytest.mark.parametrize("rate", [20, 50, 100])
def test_by_time_stamp_all_channels_are_of_the_same_moment(four: list[Path | None], rate: int) -> None:
    signal = signals.read(four, rate)
    at = np.arange(len(signal)) / rate
    assert len(signal) == int(3.49 * rate) + 1
    for channel in range(9):
        inside = np.isfinite(signal[:, channel])
        np.testing.assert_allclose(signal[inside, channel], at[inside], atol=1e-5)
    assert np.isnan(signal[at < 0.5, 3]).all() and np.isfinite(signal[(at >= 0.5) & (at < 3.4), 3]).all()
    nearest = signal[:, 9][np.isfinite(signal[:, 9])]
    assert np.abs(nearest - at[: len(nearest)]).max() <= 0.01 + 1e-5  # the orientation is taken, not mixed


def test_a_sensor_with_a_clock_of_its_own_starts_where_the_longest_does(tmp_path: Path) -> None:
    put(tmp_path / "a", sensor(100, 3))
    put(tmp_path / "w", sensor(100, 2).replace(b"20181016_13", b"20191016_13"))
    signal = signals.read([tmp_path / "a", tmp_path / "w", None, None], 50)
    assert len(signal) == int(2.99 * 50) + 1 and signal[0, 3] == pytest.approx(0) and np.isnan(signal[:, 6:]).all()


def test_what_a_sensor_lacks_is_the_mean_to_the_network() -> None:
    torch.manual_seed(0)
    encoder = ImuEncoder(ImuModel(channels=12)).eval()
    encoder.mean.copy_(torch.arange(12.0))
    signal = torch.randn(1, 80, 12)
    lacking, mean = signal.clone(), signal.clone()
    lacking[:, 40:, 6:], mean[:, 40:, 6:] = torch.nan, torch.arange(6.0, 12.0)
    length = torch.tensor([80])
    assert torch.equal(encoder(lacking, length), encoder(mean, length))
    assert torch.isfinite(encoder(lacking, length)).all()


# Video


def test_the_header_says_how_many_frames_decoding_gives(tree: Tree) -> None:
    file = tree((1, 1, 1, "walking")) / "trimmed/subject1/cam1/scene1/session1/walking.mp4"
    assert mp4.read_header(file)[0] == decode.count_frames(file) == 6
    video, count = decode.decode_video(file, 4, 6, 16)
    assert count == 4 and (np.diff(video.mean(axis=(1, 2, 3))) > 20).all()
    with pytest.raises(ValueError, match=r"walking\.mp4: 3 of 4 sampled frames decoded, 6 of 7 in all"):
        decode.decode_video(file, 4, 7, 16)


# Protocols


def made_up(subjects: range = range(1, 21)) -> Manifest:
    """Two classes in each of 4 scenes and 5 sessions, four views; of every seventh instance only three."""
    rows = [
        (subject, scene, session, label, camera, 1000 * subject + 100 * scene + 10 * session + label)
        for subject in subjects
        for scene in range(1, 5)
        for session in range(1, 6)
        for label in range(2)
        for camera in range(1, 4 + ((subject + scene + session + label) % 7 > 0))
    ]
    columns = dict(
        zip(("subject", "scene", "trial", "label", "camera", "instance"), zip(*rows, strict=True), strict=True)
    )
    filler = {"clip": [str(row) for row in rows], "video": "v", "imu": "i", "frames": 9, "samples": 60, "content": "c"}
    filler |= {"seconds": 1.0, "missing": ""}
    for name, value in filler.items():
        columns[name] = value if isinstance(value, list) else [value] * len(rows)  # pyright: ignore
    table = pa.table({name: columns[name] for name in mmact.MMACT_SCHEMA.names}, mmact.MMACT_SCHEMA)
    return Manifest("MMAct", "RGB", "mmact", mmact.CLASSES, table, Path("/recordings"))


@pytest.mark.parametrize(
    ("protocol", "column", "train", "test"),
    [
        ("cross-subject", "subject", set(range(1, 17)), {17, 18, 19, 20}),
        ("cross-session", "trial", {1, 2, 3, 4}, {5}),
        ("cross-scene", "scene", {1, 3, 4}, {2}),
        ("cross-view", "camera", {1, 2, 3}, {4}),
    ],
)
def test_no_instance_is_on_both_sides_but_of_views(protocol: str, column: str, train: set, test: set) -> None:
    manifest = made_up()
    rows, values = splits.split(manifest, protocol), manifest.clips[column].to_numpy()
    assert (set(values[rows[0]]), set(values[rows[1]])) == (train, test)
    assert len(rows[0]) + len(rows[1]) == manifest.clips.num_rows
    instances = splits.instances(manifest)
    shared = set(instances[rows[0]]) & set(instances[rows[1]])
    text = splits.describe(manifest, protocol)
    assert bool(shared) == (protocol == "cross-view") == ("THE TEST INSTANCES' SIGNALS ARE IN TRAINING" in text)
    assert protocol in text and "instances)" in text


@pytest.mark.parametrize("protocol", ["cross-subject", "cross-session", "cross-scene"])
def test_validation_folds_are_by_instance_and_read_no_test_clip(protocol: str) -> None:
    manifest = made_up()
    instances, tested = splits.instances(manifest), splits.split(manifest, protocol)[1]
    validated = []
    for fold in splits.folds(manifest, f"{protocol}-validation"):
        train, test = splits.split(manifest, fold)
        assert not set(tested) & {*train, *test} and not set(instances[train]) & set(instances[test])
        validated += test.tolist()
    assert sorted(validated) == splits.split(manifest, protocol)[0].tolist()


@pytest.mark.parametrize("ratio", [0.1, 0.25, 0.5, 1.0])
def test_a_share_of_the_training_data_keeps_an_instances_views_together(ratio: float) -> None:
    manifest = made_up()
    train, _ = splits.split(manifest, "cross-subject")
    labels, instances = splits.labels(manifest), splits.instances(manifest)
    kept = splits.subset(train, labels[train], ratio, 0, instances[train])
    assert set(np.flatnonzero(np.isin(instances, instances[kept]))) == set(kept)
    for label in range(2):
        whole, part = (np.unique(instances[rows][labels[rows] == label]) for rows in (train, kept))
        assert len(part) == round(ratio * len(whole))


@pytest.mark.parametrize(
    ("layout", "protocol"), [("mmact", "odd-even"), ("utd-mhad", "cross-view"), ("mmact", "trials")]
)
def test_a_protocol_of_another_corpus_is_refused(layout: str, protocol: str) -> None:
    with pytest.raises(ValueError, match=rf"--protocol {protocol}: MMAct knows {splits.default(made_up())}|odd-even"):
        splits.split(replace(made_up(), layout=layout), protocol)
    assert splits.default(made_up()) == "cross-subject"


# The grid


def grid(recipe: str = "paper", manifest: Manifest | None = None) -> tuple[Plan, Study]:
    manifest = manifest or made_up()
    classes = pa.array(np.arange(manifest.clips.num_rows) % 8, pa.int32())
    clips = manifest.clips.set_column(manifest.clips.schema.get_field_index("label"), "label", classes)
    study = Study(replace(manifest, clips=clips), "demo", recipe, "cross-subject")
    return Plan.of("full_grid", full_grid.cells(study, 0), study.runs), study


def test_the_grid_is_table_1s_with_twelve_channels() -> None:
    plan, study = grid()
    assert (len(plan.cells), len(plan.runs), study.sampling.channels) == (27, 24, 12)
    for spec in plan.runs.values():
        how = spec.optimization
        assert {"lr": how.lr, "weight_decay": how.weight_decay, "batch": how.batch} == paper.TABLE1["MMAct"][spec.kind]
        assert isinstance(spec.model, ImuModel) == (spec.kind == "imu") and getattr(spec.model, "channels", 12) == 12
    manifest = study.manifest
    for spec in plan.runs.values():
        train, test = (set(splits.instances(manifest)[rows]) for rows in rows_of(spec, manifest))
        assert not train & test


def test_a_recipe_that_resamples_by_stamp_says_so_in_key_and_shards() -> None:
    plan, study = grid("tuned")
    assert study.sampling.rate == recipe_of("tuned", "mmact").rate == 50 and study.sampling.samples == 51
    assert {spec.data.rate for spec in plan.runs.values() if spec.kind != "video"} == {50}
    assert {spec.data.rate for spec in plan.runs.values() if spec.kind == "video"} == {None}
    assert recipe_of("tuned", "utd-mhad").rate is None


def test_a_sampling_of_before_has_the_words_it_had() -> None:
    assert Sampling(8, 32, 326).to_json() == {"frames": 8, "size": 32, "samples": 326, "crop": "frame"}
    mmacts = Sampling(8, 32, 326, channels=12, rate=50)
    assert Sampling(**mmacts.to_json()) == mmacts and mmacts.imu_bytes == 326 * 12 * 4


# The synthetic corpus


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One subject at the desk: four instances, 16 clips."""
    return synthetic_mmact.write(tmp_path_factory.mktemp("mmact"), subjects=(14,), scenes=(3,), sessions=(2,))


def test_the_synthetic_corpus_is_read_as_mmact(small: Path, tmp_path: Path) -> None:
    manifest = corpora.read("synthetic-mmact", small, tmp_path)
    assert manifest.video == "drawn figure" and paper.corpus_of(manifest.corpus) is None
    assert manifest.clips.num_rows == 16 and manifest.clips["missing"].to_pylist() == [""] * 16
    assert (
        "gyro_clip/subject014/" in manifest.clips["imu"][0].as_py() or "subject14" in manifest.clips["imu"][0].as_py()
    )
    names = {manifest.classes[label] for label in manifest.clips["label"].to_pylist()}
    assert names == set(synthetic_mmact.AT_DESK)
    file = small / manifest.clips["video"][0].as_py()
    with av.open(str(file)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264" and float(stream.average_rate or 0) == pytest.approx(29.97, abs=0.01)


def test_cameras_see_the_same_movement_from_their_own_side(small: Path, tmp_path: Path) -> None:
    clips = corpora.read("synthetic-mmact", small, tmp_path).clips.to_pylist()
    films = [decode.decode_video(small / clip["video"], 4, clip["frames"], 48)[0].astype(int) for clip in clips[:4]]
    assert len({clip["frames"] for clip in clips[:4]}) == 1
    for a in range(4):
        for b in range(a):
            assert np.abs(films[a] - films[b]).mean() > 1


def test_the_phone_is_in_the_pocket_and_the_watch_on_the_wrist(small: Path, tmp_path: Path) -> None:
    clips = corpora.read("synthetic-mmact", small, tmp_path).clips.to_pylist()
    signal = corpora.signal("mmact", small, clips[0]["imu"])  # drinking
    assert "drinking" in clips[0]["clip"]
    for part in (signal[:, :3], signal[:, 3:6]):
        assert np.median(np.linalg.norm(part, axis=1)) == pytest.approx(9.8, abs=0.4)
    assert signal[:, 3:6].std(axis=0).max() > 3 * signal[:, :3].std(axis=0).max()  # only the hand moves
    gaps = np.diff(signals.parse((small / clips[0]["imu"].split("|")[0]).read_bytes())[0])
    assert (gaps < 0).any() and (gaps == 0).any()


def test_quirks_are_planted_where_the_release_has_them(tmp_path: Path) -> None:
    csv, videos = synthetic_mmact.files(tmp_path, (0, 14, 1, 2, "carrying_light"))
    assert {path.name for path in (*csv.values(), *videos.values())} == {"Carrying_light.csv", "Carrying_light.mp4"}
    assert len(videos) == 4 and "subject14" in str(csv["gyro"])
    assert "subject08" in str(synthetic_mmact.files(tmp_path, (0, 8, 1, 2, "walking"))[0]["gyro"])
    assert set(synthetic_mmact.files(tmp_path, (45, 8, 1, 2, "walking"))[0]) == {"acc_phone", "gyro", "orientation"}
    assert set(synthetic_mmact.files(tmp_path, (5, 8, 1, 2, "walking"))[1]) == {1, 2, 4}


def test_recordings_give_what_shards_hold(small: Path, tmp_path: Path) -> None:
    manifest = corpora.read("synthetic-mmact", small, tmp_path)
    for sampling in (
        Sampling(4, 24, manifest.max_samples, channels=12),
        Sampling(4, 24, manifest.samples_at(50), channels=12, rate=50),
    ):
        recordings = shards.Recordings.of(manifest, sampling)
        whole = recordings.decode(range(16))
        shards.write_table(whole, tmp_path / "part-00000.parquet")
        held = shards.Shards(tmp_path, sampling, ("part-00000.parquet",), (16,))
        rows, columns = np.array([1, 5, 6]), ("row", "label", "imu", "imu_length")
        [task] = held.tasks(rows, columns)
        stored = held.fetch(pa.Table.from_pylist([task]))
        tables = [recordings.fetch(pa.Table.from_pylist([task])) for task in recordings.tasks(rows, columns)]
        fresh = pa.concat_tables(tables)
        assert stored.combine_chunks().equals(fresh.combine_chunks()) or _bits(stored) == _bits(fresh)
        assert stored["imu_length"].to_pylist() == [len(_signal(manifest, row, sampling)) for row in rows.tolist()]


def _signal(manifest: Manifest, row: int, sampling: Sampling) -> np.ndarray:
    return corpora.signal("mmact", manifest.root, manifest.clips["imu"][row].as_py(), sampling.rate)


def _bits(table: pa.Table) -> list[bytes]:
    """NaN is unequal to itself; its bits aren't."""
    flat = [np.concatenate([np.ravel(row) for row in table[name].to_pylist()]) for name in table.column_names]
    return [values.tobytes() for values in flat]

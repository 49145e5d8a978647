"""Predicting recordings of one's own: the same numbers as a run's own test, a modality missing, and bad input."""

import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from torch import nn

from datasets import inertial, shards, stream
from datasets.manifest import Manifest
from datasets.spec import Sampling
from experiments.predict import Asked
from experiments.predict import predict as command
from models.build import build, build_fusion
from models.spec import FusionModel
from orchestrator.predict import Predictor, clip_signal, clip_video, clips, predict_files, predict_folder
from orchestrator.reader import see
from orchestrator.scale import RECIPES
from orchestrator.spec import DataSpec, RunSpec
from orchestrator.store import Store
from orchestrator.terminal import refuse_bad_input

KINDS = ("imu", "video", "fusion")
CLIP = "a2_s2_t1"


@pytest.fixture(scope="module")
def files(recordings: Path) -> dict[str, Path]:
    return {"video": recordings / f"RGB/{CLIP}_color.avi", "imu": recordings / f"Inertial/{CLIP}_inertial.mat"}


@pytest.fixture(scope="module")
def csv(files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clip's signal, its columns in another order."""
    signal, file = inertial.read_mat(files["imu"]), tmp_path_factory.mktemp("csv") / "signal.csv"
    order = [3, 1, 2, 0, 5, 4]
    header = ",".join(inertial.CHANNELS[i] for i in order)
    np.savetxt(file, signal[:, order], delimiter=",", header=header, comments="", fmt="%.9g")
    return file


@pytest.fixture(scope="module")
def made(manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, dict[str, RunSpec]]:
    """A storage with a done run of each kind, and of each with the tuned recipe's resampling and crops; untrained."""
    store, specs = Store(tmp_path_factory.mktemp("storage")), {}
    manifest.write(store.manifest(manifest.digest))
    for recipe in ("paper", "tuned"):
        for kind in KINDS:
            specs[f"{kind} {recipe}"] = _finish(store, manifest, recipe, kind, specs)
    return store, specs


def _finish(store: Store, manifest: Manifest, recipe: str, kind: str, specs: dict[str, RunSpec]) -> RunSpec:
    how, classes = RECIPES[recipe], len(manifest.classes)
    stored = (
        {"stored_frames": 9, "stored_size": 36, "crop": "motion", "channels": "motion"} if recipe == "tuned" else {}
    )
    imu = {"samples": manifest.max_samples, "resampled": how.resampled} if kind != "video" else {}
    video = {"frames": 8, "size": 32} | stored if kind != "imu" else {}
    parents = tuple((m, specs[f"{m} {recipe}"].key) for m in ("imu", "video")) if kind == "fusion" else ()
    data = DataSpec(manifest.digest, **imu, **video)
    spec = RunSpec(how.models[kind], data, how.optimization[kind], 0, parents=parents)  # pyright: ignore
    torch.manual_seed(0)
    if isinstance(spec.model, FusionModel):
        stage1 = [build(how.models[m], classes) for m in ("imu", "video")]  # pyright: ignore
        model = build_fusion(spec.model, *stage1, classes)
    else:
        model = build(spec.model, classes)
    settle(model, spec, manifest)
    folder = store.run(spec.key)
    folder.begin(spec)
    folder.save("model", {"model": model.state_dict()})
    folder.finish(1.0)
    return spec


def settle(model: nn.Module, spec: RunSpec, manifest: Manifest) -> None:
    """Statistics as a training leaves them: with a fresh network's every clip would look alike."""
    for name, value in model.named_buffers():
        if name.endswith("std"):
            value.fill_(40.0 if value.shape == (6,) else 0.3)
    model.train()
    for layer in model.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            layer.train()
            layer.momentum = None  # of this batch alone
    parts = []
    for clip in manifest.clips.to_pylist():
        part = {}
        if spec.kind != "video":
            part |= clip_signal(spec.data, inertial.read_mat(manifest.root / clip["imu"]))
        if spec.kind != "imu":
            part |= clip_video(spec.data, manifest.root / clip["video"])
        parts.append(part)
    batch = see({name: torch.cat([part[name] for part in parts]) for name in parts[0]}, spec.data, None)
    with torch.no_grad():
        model(batch)


def sampling(spec: RunSpec, manifest: Manifest) -> Sampling:
    d = spec.data
    return Sampling(d.stored_frames or d.frames or 8, d.stored_size or d.size or 32, manifest.max_samples, d.crop)


@pytest.fixture(scope="module")
def stored(made: tuple, manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """The corpus as training reads it, by recipe: from shards."""
    batches = {}
    for recipe in ("paper", "tuned"):
        s, folder = sampling(made[1][f"fusion {recipe}"], manifest), tmp_path_factory.mktemp("shards")
        tables = []
        recordings = shards.Recordings.of(manifest, s)
        for shard, (start, stop) in enumerate(pairwise(recordings.bounds())):
            written = shards._write_shard({"shard": shard, "start": start, "stop": stop}, recordings, folder)
            tables.append(pq.read_table(folder / written["file"]))
        whole = pa.concat_tables(tables)
        batches[recipe] = {name: stream._tensor(whole, name, s) for name in stream.COLUMNS["fusion"]}
    return batches


@pytest.mark.parametrize("recipe", ["paper", "tuned"])
@pytest.mark.parametrize("kind", KINDS)
def test_files_give_what_their_shards_give(
    kind: str, recipe: str, made: tuple, stored: dict, manifest: Manifest
) -> None:
    store, specs = made
    predictor = Predictor.of(store, specs[f"{kind} {recipe}"].key)
    with torch.no_grad():
        # Clip by clip: of a larger batch S3D's last bits differ.
        clips = [{name: values[i : i + 1] for name, values in stored[recipe].items()} for i in range(12)]
        parts = [predictor.model(see(clip, predictor.spec.data, None)).softmax(1) for clip in clips]
        expected = torch.cat(parts).numpy()
    found = predict_folder(predictor, manifest.root)
    assert found["clip"].to_pylist() == manifest.clips["clip"].to_pylist() and found["error"].null_count == 12
    rows = np.array(found["probabilities"].to_pylist())
    np.testing.assert_allclose(rows, expected, atol=1e-6)
    assert rows.shape == (12, 27) and len(np.unique(rows, axis=0)) == 12  # the recordings reach the network
    assert found["predicted"].to_pylist() == [predictor.classes[i] for i in rows.argmax(axis=1)]


def test_a_csv_in_any_order_of_columns_gives_what_the_mat_gives(made: tuple, files: dict, csv: Path) -> None:
    store, specs = made
    predictor = Predictor.of(store, specs["fusion paper"].key)
    expected = predict_files(predictor, files["video"], files["imu"])
    np.testing.assert_array_equal(predict_files(predictor, files["video"], csv), expected)


@pytest.mark.parametrize("recipe", ["paper", "tuned"])
def test_a_missing_modality_is_all_padding(recipe: str, made: tuple, files: dict, manifest: Manifest) -> None:
    store, specs = made
    predictor = Predictor.of(store, specs[f"fusion {recipe}"].key)
    model, data = predictor.model, predictor.spec.data
    both, no_video, no_imu = (
        predict_files(predictor, *pair)
        for pair in [(files["video"], files["imu"]), (None, files["imu"]), (files["video"], None)]
    )
    assert np.abs(both - no_video).max() > 1e-4 and np.abs(both - no_imu).max() > 1e-4
    # What train.predict calls without_video: the blank trunk beside the clip's signal.
    s = sampling(predictor.spec, manifest)
    signal, length = inertial.pad_signal(inertial.read_mat(files["imu"]), s.samples)
    batch = {"imu": torch.from_numpy(signal)[None], "imu_length": torch.tensor([length])}
    batch = see(batch, data, None) | {"trunk": model.blank(data.frames, data.size)}  # pyright: ignore
    with torch.no_grad():
        np.testing.assert_allclose(no_video, model(batch).softmax(1)[0].numpy(), atol=1e-6)


def test_a_signal_longer_than_any_of_the_corpus_is_taken_whole(made: tuple) -> None:
    store, specs = made
    predictor = Predictor.of(store, specs["imu paper"].key)
    signal = np.random.default_rng(0).normal(0, 40, (3 * predictor.spec.data.samples, 6)).astype(np.float32)
    whole, first = (predictor.probabilities(signal=part) for part in (signal, signal[:200]))
    assert np.abs(whole - first).max() > 1e-6


def refused(capsys: pytest.CaptureFixture[str], **given: object) -> str:
    """The one line that the command ends with."""
    asked = Asked(**given)  # pyright: ignore
    assert refuse_bad_input(lambda: command(asked)) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ") and message.count("\n") == 1, message
    return message


@pytest.mark.parametrize(
    ("run", "given", "words"),
    [
        ("imu", {}, "nothing to predict from: the run reads imu"),
        ("imu", {"video": "{film}", "imu": "{csv}"}, "the run is a imu run: it reads imu alone"),
        ("fusion", {"video": "nowhere.avi"}, "nowhere.avi: no such file"),
        ("fusion", {"video": "{csv}"}, "signal.csv: "),
        ("imu", {"imu": "{film}"}, "_color.avi: is neither of .csv, .mat"),
        ("imu", {"imu": "five.csv"}, "five.csv: has the columns ax, ay, az, gx, gy; it needs ax, ay, az, gx, gy, gz"),
        ("imu", {"imu": "short.csv"}, "short.csv: 45 samples are too few: the network looks at 46 at a time"),
        ("imu", {"imu": "hole.csv"}, "hole.csv: has 1 values that are missing"),
        ("imu", {"imu": "words.csv"}, "words.csv: has something else than numbers in gz"),
        ("imu", {"imu": "empty.csv"}, "empty.csv: is no CSV"),
        ("imu", {"imu": "header.csv"}, "header.csv: has no sample"),
        ("video", {"video": "sound.wav"}, "sound.wav: is no video that can be decoded"),
        ("imu", {"folder": "{here}"}, "give --video or --imu or both, or else --folder"),
        ("imu", {"folder": "nowhere", "out": "out.parquet"}, "--folder nowhere: no such folder"),
    ],
)
def test_bad_input_is_one_line(
    run: str, given: dict, words: str, made: tuple, files: dict, csv: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    lines = csv.read_text().splitlines()
    Path("short.csv").write_text("\n".join(lines[:46]) + "\n")
    six = ",".join(inertial.CHANNELS)
    Path("five.csv").write_text("ax,ay,az,gx,gy\n" + "1,2,3,4,5\n" * 60)
    Path("hole.csv").write_text(f"{six}\n" + "1,2,3,4,5,6\n" * 60 + "1,,3,4,5,6\n")
    Path("words.csv").write_text(f"{six}\n" + "1,2,3,4,5,six\n" * 60)
    Path("header.csv").write_text(f"{six}\n")
    Path("empty.csv").touch()
    _write_sound(Path("sound.wav"))
    names = {"film": files["video"], "csv": csv, "here": tmp_path}
    paths = {flag: Path(name.format(**names)) for flag, name in given.items()}
    store, specs = made
    assert words in refused(capsys, run=specs[f"{run} paper"].key, storage=store.root, **paths)


def _write_sound(file: Path) -> None:
    import wave

    with wave.open(str(file), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(16000))


def test_runs_that_can_predict_nothing_are_named(
    made: tuple, manifest: Manifest, csv: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, specs = Store(tmp_path), made[1]
    assert "has no such run" in refused(capsys, run="0123456789abcdef", storage=tmp_path, imu=csv)
    spec = specs["imu paper"]
    store.run(spec.key).begin(spec)
    assert "is pending, not done" in refused(capsys, run=spec.key, storage=tmp_path, imu=csv)
    store.run(spec.key).finish(1.0)
    assert "missing, and it names the run's classes" in refused(capsys, run=spec.key, storage=tmp_path, imu=csv)
    manifest.write(store.manifest(manifest.digest))
    assert "model.pt: missing" in refused(capsys, run=spec.key, storage=tmp_path, imu=csv)
    shutil.copytree(made[0].run(specs["fusion paper"].key).path, store.run(specs["fusion paper"].key).path)
    shutil.rmtree(store.run(spec.key).path)
    words = refused(capsys, run=specs["fusion paper"].key, storage=tmp_path, imu=csv)
    assert f"the imu run that {specs['fusion paper'].key} starts from is missing" in words


def test_the_command_prints_every_class_best_first(
    made: tuple, files: dict, capsys: pytest.CaptureFixture[str]
) -> None:
    store, specs = made
    spec = specs["fusion paper"]
    assert command(Asked(spec.key, store.root, files["video"], files["imu"])) == 0
    predictor = Predictor.of(store, spec.key)
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.split()[0] in predictor.classes]
    values = predict_files(predictor, files["video"], files["imu"])
    assert [name for name, _ in rows] == [predictor.classes[i] for i in values.argsort()[::-1]]
    assert [float(value) for _, value in rows] == [pytest.approx(v, abs=6e-5) for v in sorted(values)[::-1]]


def test_a_folder_with_a_bad_file_is_written_without_it(
    made: tuple, files: dict, csv: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, specs = made
    (tmp_path / "clips").mkdir()
    shutil.copy(files["video"], tmp_path / "clips/both.avi")
    shutil.copy(csv, tmp_path / "clips/both.csv")
    shutil.copy(csv, tmp_path / "clips/signal_alone.csv")
    (tmp_path / "clips/broken.mp4").write_bytes(b"no video")
    (tmp_path / "clips/notes.txt").write_text("not a clip")
    out = tmp_path / "new/predictions.parquet"
    key = specs["fusion paper"].key
    assert command(Asked(key, store.root, folder=tmp_path / "clips", out=out)) == 1
    text = capsys.readouterr().out
    assert "left out: " in text and "broken.mp4: is no video" in text and "2 of 3 clips" in text
    table = pq.read_table(out)
    assert table["clip"].to_pylist() == ["both", "broken", "signal_alone"]
    assert table["probabilities"].null_count == 1 and table.schema.metadata[b"run"].decode() == key
    assert table.schema.metadata[b"classes"].decode().split("\n")[0] == "swipe_left"
    shutil.copy(csv, tmp_path / "clips/both.mat")
    with pytest.raises(ValueError, match="has the same name; which belongs to both"):
        clips(tmp_path / "clips")


@pytest.mark.long
def test_a_runs_own_test_clips_get_the_probabilities_it_recorded(
    grid_recordings: Path, undisturbed: tuple[Path, str]
) -> None:
    """Of a real grid: what the workers wrote into predictions.parquet, and what a fusion gave without a modality."""
    store = Store(undisturbed[0])
    for folder in store.runs():
        predictor = Predictor.of(store, folder.key)
        recorded = {row["clip"]: row for row in pq.read_table(folder.path / "predictions.parquet").to_pylist()}
        for clip in list(recorded)[:6]:
            video, imu = (
                grid_recordings / f"RGB/{clip}_color.avi" if folder.spec.kind != "imu" else None,
                grid_recordings / f"Inertial/{clip}_inertial.mat" if folder.spec.kind != "video" else None,
            )
            found = predict_files(predictor, video, imu)
            np.testing.assert_allclose(found, recorded[clip]["probabilities"], atol=1e-5)
            if folder.spec.kind == "fusion":
                assert predict_files(predictor, None, imu).argmax() == recorded[clip]["without_video"]
                assert predict_files(predictor, video, None).argmax() == recorded[clip]["without_imu"]

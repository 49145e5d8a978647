"""The benchmark of a GPU, its logic on a CPU: no step here asserts on a clock."""

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import tyro

from experiments import benchmark
from experiments.benchmarks import gpu, gpu_steps
from experiments.benchmarks.gpu_steps import Scale, Step, Variant
from orchestrator.driver import terminal
from orchestrator.plan import overrides
from orchestrator.plan.options import Options
from orchestrator.plan.recipes import SCALES, recipe_of

ROOT = Path(__file__).parents[2]
CPU, TINY = torch.device("cpu"), Scale(videos=2, frames=8, size=32, signals=4, samples=64)
no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@no_gpu
def test_a_machine_without_a_gpu_is_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu_steps.main([]) == 2
    asked = tyro.cli(benchmark.Asked, args=["gpu"])
    assert terminal.refuse_bad_input(lambda: benchmark.measure(asked)) == 2
    out, err = capsys.readouterr()
    assert (
        out == ""
        and [line.partition("gpu: ")[2] for line in err.splitlines()]
        == ["this machine has no GPU that CUDA can use; nothing was measured."] * 2
    )


def test_the_steps_need_torch_alone() -> None:
    """Of what they import only torch, torchvision and NumPy aren't ours or Python's."""
    script = """
import sys, experiments.benchmarks.gpu_steps, models.encoders.s3d, models.encoders.i3d
others = {"ray", "mlflow", "pydantic", "pyarrow", "tyro", "rich", "scipy", "av", "orchestrator", "datasets"}
print(*others & {*sys.modules})
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "\n"), done.stderr


def test_every_backbone_is_measured_in_every_precision_and_compiled_ones_last() -> None:
    found = list(gpu_steps.variants())
    assert len(set(found)) == len(found)
    assert {v.precision for v in found if v.encoder == "cnn"} == {"fp32", "tf32", "bf16"}
    films = [v for v in found if v.encoder == "s3d"]
    assert len(films) == 12 and sum(v.compiled for v in films) == 3 and sum(v.channels_last for v in films) == 9
    assert sum(v.start > 0 for v in films) == 3
    first = next(i for i, v in enumerate(found) if v.compiled)
    assert all(v.compiled for v in found[first:]) and {v.encoder for v in found[first:]} == {"s3d", "i3d", "thin"}


@pytest.mark.parametrize("name", sorted({v.encoder for v in gpu_steps.variants()}))
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_step_trains_each_encoder(name: str, precision: str) -> None:
    encoder, step = gpu_steps.prepare(Variant(name, precision), CPU, TINY)
    before = [value.clone() for value in encoder.parameters()]
    step()
    changed = [not torch.equal(a, b) for a, b in zip(before, encoder.parameters(), strict=True)]
    assert all(changed) if precision == "fp32" else sum(changed) > len(changed) / 2


def test_channels_last_changes_the_format_and_no_number() -> None:
    x, length, _ = gpu_steps.batch("s3d", TINY)
    found = []
    for last in (False, True):
        torch.manual_seed(0)
        encoder, _ = gpu_steps.prepare(Variant("s3d", channels_last=last), CPU, TINY)
        weight = encoder.layers[3][0][0].weight  # pyright: ignore
        assert weight.is_contiguous(memory_format=torch.channels_last_3d) == last
        with torch.no_grad():
            found.append(encoder.eval()(x, length))
    assert torch.allclose(found[0], found[1], rtol=1e-3, atol=1e-5)


def test_what_has_no_time_left_is_named_and_flops_are_those_of_forward_and_backward() -> None:
    assert all(
        "left out" in found for found in gpu_steps.measure(CPU, limit=-1.0, scale=TINY) if isinstance(found, str)
    )
    assert sum(1 for _ in gpu_steps.measure(CPU, limit=-1.0, scale=TINY)) == len(list(gpu_steps.variants()))
    step = gpu_steps.one(Variant("cnn"), CPU, TINY)
    # Three convolutions without padding: kernels 24, 16 and 8 over 64 samples.
    forward = 2 * TINY.signals * (41 * 24 * 6 * 32 + 26 * 16 * 32 * 64 + 19 * 8 * 64 * 96)
    assert 2 < step.flops / forward < 3.1 and step.share is None and step.clips == TINY.signals


@pytest.mark.parametrize(
    ("card", "precision", "teraflops"),
    [
        ("NVIDIA A40", "bf16", 149.7),
        ("NVIDIA A100-SXM4-80GB", "tf32", 156),
        ("NVIDIA H100 80GB HBM3", "fp32", 67),
        ("NVIDIA H100 PCIe", "fp32", 51),
        ("NVIDIA H200", "bf16", 989.5),
        ("NVIDIA A4000", "fp32", None),
    ],
)
def test_a_cards_peak_by_its_name(card: str, precision: str, teraflops: float | None) -> None:
    found = gpu_steps.peak_of(card, precision)
    assert found == (None if teraflops is None else pytest.approx(teraflops * 1e12))


def test_rows_compare_with_plain_fp32_and_memory_with_what_was_computed() -> None:
    plain = Step(Variant("s3d"), 16, 2.0, 30 * 10**9, 10**12, 0.2)
    quick = Step(Variant("s3d", "bf16", channels_last=True), 16, 0.5, 25 * 10**9, 10**12, None)
    top = Step(Variant("s3d", "tf32", channels_last=True, start=9), 16, 0.25, 15 * 10**9, 10**12, None)
    rows = gpu.rows_of([plain, quick, top])
    assert [row.ours for row in rows] == [8.0, 32.0, 25.0, 64.0, 15.0] and rows[1].ratio == 4.0
    assert rows[0].unit == "clips/s (30.0 GB, 20% of the card's peak)" and rows[1].unit == "clips/s (25.0 GB)"
    # docker/README.md has 24.0 and 14.8 GB.
    assert [round(row.against or 0, 1) for row in (rows[2], rows[4])] == [24.0, 14.8] and rows[2].met
    assert rows[3].ratio is None, "stage 2 isn't compared with stage 1"
    assert gpu.rows_of([quick])[0].ratio is None, "plain fp32 may not have fitted"


def test_fine_tuning_leaves_the_layers_before_it_as_they_were() -> None:
    encoder, step = gpu_steps.prepare(Variant("s3d", channels_last=True, start=9), CPU, TINY)
    before = [[value.clone() for value in layer.parameters()] for layer in encoder.layers]
    step()
    for i, (layer, old) in enumerate(zip(encoder.layers, before, strict=True)):
        changed = [not torch.equal(a, b) for a, b in zip(old, layer.parameters(), strict=True)]
        assert all(changed) if i >= 9 else not any(changed)


def test_the_gpu_waits_for_what_an_epoch_takes_beyond_its_steps() -> None:
    batches = [{"label": torch.zeros(3)}, {"label": torch.zeros(2)}]
    seconds, clips = gpu.spent(iter(batches), lambda batch: time.sleep(0.01), CPU)
    assert clips == 5 and seconds >= 0.02
    assert gpu.waiting(4.0, 3.0) == 0.25 and gpu.waiting(3.0, 3.1) == 0


def test_the_grids_differ_by_their_gpus_alone(tmp_path: Path) -> None:
    ours, cpu = (tyro.cli(Options, args=gpu.words(tmp_path, shares)) for shares in ((0.25, 1, 1), (0, 0, 0)))
    assert replace(ours, gpus={}) == replace(cpu, gpus={}) and ours.gpus["imu"] == 0.25 and not any(cpu.gpus.values())
    cpu.check()
    recipe = overrides.apply(recipe_of("paper", "utd-mhad"), ours.set)
    assert recipe.encoder("imu").settings["dropout"] == recipe.stage("video").head.dropout == 0
    epochs = {stage: SCALES["demo"].epochs[stage] * recipe.stage(stage).times_epochs for stage in gpu.EPOCHS}
    assert {stage: round(count) for stage, count in epochs.items()} == {"imu": 2, "video": 1, "fusion": 1}


def test_losses_are_compared_by_run_within_the_tolerance() -> None:
    rows = gpu.compare({"imu seed=0": 3.0, "video seed=0": 3.3}, {"imu seed=0": 3.03, "video seed=0": 3.0})
    assert [row.met for row in rows] == [True, False] and rows[0].ratio == pytest.approx(1.01)
    with pytest.raises(ValueError, match="other runs"):
        gpu.compare({"imu seed=0": 3.0}, {})

"""VSKD + DASK's student: its loss against plain NumPy, what the teacher has a say in, and workers as one."""

import copy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from models.build import build
from models.network import Batch, Network
from models.objectives.distillation import relational, soft
from models.spec import EncoderSpec, HeadSpec, NetworkSpec
from orchestrator.worker.train import update

ROOT = Path(__file__).parents[2]
SHARES = (4, 3)  # of the workers
UNSEEN, UNFELT = 2, 5  # clips without frames, and without a signal
pytestmark = pytest.mark.usefixtures("one_thread", "seeded")


def student() -> Network:
    """From a teacher with seeded weights."""
    frames = EncoderSpec("features-depth", {"width": 24})
    made = build(NetworkSpec({"depth": frames}, HeadSpec(16), "temporal-relations"), 5, seed=1)
    read = {"depth": frames, "imu": EncoderSpec("cnn", {"filters": (8, 16, 24)})}
    spec = NetworkSpec(read, HeadSpec(hidden=None, finetuned={"depth": ()}), "distillation")
    return build(spec, 5, 0, {"depth": made, "teacher": copy.deepcopy(made)})


def clips(rows: slice = slice(None)) -> Batch:
    draw, count = torch.Generator().manual_seed(1), sum(SHARES)
    batch = {
        "depth_frozen": torch.rand(count, 832, 8, 1, 1, generator=draw),
        "depth_frozen_length": torch.full((count,), 8),
        "imu": torch.randn(count, 60, 6, generator=draw),
        "imu_length": torch.full((count,), 60),
        "label": torch.arange(count) % 5,
    }
    batch["depth_frozen_length"][UNSEEN] = batch["imu_length"][UNFELT] = 0
    return {name: values[rows] for name, values in batch.items()}


def by_numpy(x: np.ndarray, t: np.ndarray, ours: np.ndarray, theirs: np.ndarray) -> float:
    """DASK's terms and 0.01 of the soft targets, over clips that both see; features (N, W) and logits (N, K)."""

    def huber(a: float, b: float) -> float:
        d = abs(a - b)
        return d * d / 2 if d < 1 else d - 0.5

    def softened(z: np.ndarray) -> np.ndarray:
        e = np.exp(z / 4 - (z / 4).max(1, keepdims=True))
        return e / e.sum(1, keepdims=True)

    def direction(z: np.ndarray, i: int, j: int) -> np.ndarray:
        length = np.linalg.norm(z[i] - z[j])
        return (z[i] - z[j]) / length if length else z[i] - z[j]

    n, p, q = len(x), softened(theirs), softened(ours)
    far = [np.linalg.norm(z[:, None] - z[None], axis=2) for z in (x, t)]
    far = [d / d[d > 0].mean() for d in far]
    distance = np.mean([huber(far[0][i, j], far[1][i, j]) for i in range(n) for j in range(n)])
    angles = [
        huber(*(float(direction(z, i, j) @ direction(z, i, k)) for z in (x, t)))
        for i in range(n) for j in range(n) for k in range(n)
    ]  # fmt: skip
    divergence = (p * np.log(p / q)).sum(1).mean()
    return float(distance + np.mean(angles) + ((x - t) ** 2).mean() + 0.01 * 16 * divergence)


def test_the_loss_by_hand() -> None:
    """All terms over the five clips that both see; of a clip without frames its label alone, without a signal none."""
    model, batch = student().eval(), clips()
    both = [i for i in range(sum(SHARES)) if i not in (UNSEEN, UNFELT)]
    with torch.no_grad():
        feature, logits = model.joined(batch), model.logits(batch)  # pyright: ignore
        taught, said, seen = model.taught(batch)  # pyright: ignore
        label = -logits.log_softmax(1)[range(sum(SHARES)), batch["label"]]
        found = model(batch)["loss"].item()
    assert seen.tolist() == [i != UNSEEN for i in range(sum(SHARES))]
    learnt = by_numpy(*(values.double().numpy()[both] for values in (feature, taught, logits, said)))
    expected = label.sum().item() - label[UNFELT].item() + len(both) * learnt
    assert found == pytest.approx(expected, rel=1e-4) and learnt > 0.1


def test_equal_clips_and_a_clip_alone_are_no_trouble() -> None:
    x = torch.randn(4, 6)
    x[1] = x[0]
    x.requires_grad_()
    relational(x, torch.randn(4, 6), torch.ones(4, dtype=torch.bool)).sum().backward()
    assert x.grad is not None and x.grad.isfinite().all() and x.grad.abs().max() < 10
    for there in ([True, False, False, False], [False] * 4):
        assert relational(x, torch.randn(4, 6), torch.tensor(there)).isfinite().all()
    same = torch.randn(5, 7)
    assert relational(3 * same + 1, same, torch.ones(5, dtype=torch.bool)).sum() < 1e-6, "relations know no size"
    assert soft(same, same).abs().max() < 1e-6


def test_the_teacher_stays_and_every_part_of_the_student_learns() -> None:
    model, batch = student().train(), clips()
    frozen = {
        name: v.clone() for name, v in model.state_dict().items() if name.startswith(("teacher", "encoders.depth"))
    }
    moving = {name for name, p in model.named_parameters() if p.requires_grad}
    assert moving == {name for name, _ in model.named_parameters() if name.startswith(("encoders.imu", "head"))}
    assert not any(m.training for part in (model.teacher, model.encoder("depth")) for m in part.modules())  # pyright: ignore
    optimizer, losses = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 3e-3), []
    for _ in range(40):
        losses.append(update(model.train(), optimizer, batch, 7, 1)["loss"].item())
    assert losses[-1] < 0.8 * losses[0]
    assert all(value.equal(model.state_dict()[name]) for name, value in frozen.items())
    taught = [model.taught(batch)[0] for _ in range(2)]  # pyright: ignore
    assert taught[0].equal(taught[1])


def test_in_a_test_the_frames_are_not_looked_at() -> None:
    model, batch = student().eval(), clips()
    with torch.no_grad():
        said = model.logits(batch)
        other = batch | {"depth_frozen": torch.rand(7, 832, 8, 1, 1), "depth_frozen_length": torch.zeros(7).long()}
        assert model.logits(other).equal(said) and not model(other)["loss"].equal(model(batch)["loss"])
        alone = {name: values for name, values in batch.items() if not name.startswith("depth")}
        assert model.logits(alone).equal(said)
        encoded = batch | model.encode(batch, "imu") | model.encode(batch, "depth")
        torch.testing.assert_close(model.logits(encoded), said)


def step(rows: slice, workers: int) -> dict[str, Tensor]:
    """The loss and the gradients of a step of one worker."""
    model = student().eval()
    apart = DistributedDataParallel(model) if workers > 1 else model
    still = torch.optim.SGD(model.parameters(), lr=0.0)
    found = update(apart, still, clips(rows), sum(SHARES), workers)
    assert not found["broken"]
    return {"loss": found["loss"]} | {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def work(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{folder}/met", rank=rank, world_size=len(SHARES))
    first = sum(SHARES[:rank])
    torch.save(step(slice(first, first + SHARES[rank]), len(SHARES)), f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def test_workers_of_uneven_shares_compute_what_one_does(tmp_path: Path) -> None:
    words = "import sys; from tests.models.test_distillation import work; work(int(sys.argv[1]), sys.argv[2])"
    workers = [subprocess.Popen([sys.executable, "-c", words, str(rank), tmp_path], cwd=ROOT) for rank in (0, 1)]
    try:
        assert [worker.wait(300) for worker in workers] == [0, 0]
    finally:
        for worker in workers:
            worker.kill()
    apart = [torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1)]
    whole = step(slice(None), workers=1)
    assert sum(found["loss"].item() for found in apart) == pytest.approx(whole["loss"].item(), rel=1e-5)
    alone = step(slice(SHARES[0]), workers=1)["loss"].item()
    assert apart[0]["loss"].item() != pytest.approx(alone, rel=1e-3), "the other worker's clips have a say"
    assert len(whole) > 6
    for name, gradient in whole.items():
        if name != "loss":
            for found in apart:
                torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=1e-5)

"""Contrastive objectives: what the loss is, and that workers compute together what one does."""

import copy
import math
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from models.build import build
from models.network import Batch, Network
from models.objectives.contrastive import contrast
from models.spec import EncoderSpec, HeadSpec, NetworkSpec
from orchestrator.worker.train import update

ROOT = Path(__file__).parents[2]
SHARES = (5, 4)  # of the workers
LACKING = 2
NETWORKS = {"two": ("imu", "watch"), "three": ("imu", "phone", "watch"), "simclr": ("imu",), "mining": ("imu", "watch")}
OBJECTIVES = {"two": "contrastive", "three": "contrastive", "simclr": "simclr", "mining": "knowledge-mining"}
TEMPERATURE = 0.1
ALL = torch.ones(4, dtype=torch.bool)
pytestmark = pytest.mark.usefixtures("one_thread", "seeded")


def network(name: str) -> Network:
    """In double precision and without dropout: what is left of a difference is no rounding."""
    cnn = EncoderSpec("cnn", {"filters": (4, 6, 8), "dropout": 0.0})
    spec = NetworkSpec(dict.fromkeys(NETWORKS[name], cnn), HeadSpec(16), OBJECTIVES[name])
    alone = {m: NetworkSpec({m: cnn}, HeadSpec(16), "simclr") for m in NETWORKS[name]}
    parents = {f"similar_{m}": build(of_one, 5, seed) for seed, (m, of_one) in enumerate(alone.items(), 1)}
    return build(spec, 5, 0, parents if name == "mining" else None).double()


def clips(name: str, rows: slice = slice(None)) -> Batch:
    """Of all workers' clips those of one. Of several modalities the third clip lacks the last."""
    draw, count, batch = torch.Generator().manual_seed(1), sum(SHARES), {"label": torch.arange(sum(SHARES))}
    for view in [*NETWORKS[name], "imu:2"]:
        batch[view] = torch.randn(count, 60, 6, generator=draw, dtype=torch.float64)
        length = torch.randint(50, 61, (count,), generator=draw)
        batch["imu_length:2" if view == "imu:2" else f"{view}_length"] = length
    if len(NETWORKS[name]) > 1:
        batch["watch_length"][LACKING] = 0
    return {name: values[rows] for name, values in batch.items()}


def step(name: str, rows: slice, workers: int) -> dict[str, Tensor]:
    """The loss and the gradients of a step of one worker, by BatchNorm's running statistics: a batch's are its own."""
    model = network(name).eval()
    apart = DistributedDataParallel(model) if workers > 1 else model
    still = torch.optim.SGD(model.parameters(), lr=0.0)
    found = update(apart, still, clips(name, rows), sum(SHARES), workers)
    assert not found["broken"]
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    assert len(gradients) == len([p for p in model.parameters() if p.requires_grad])
    return {"loss": found["loss"]} | gradients


def work(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{folder}/met", rank=rank, world_size=len(SHARES))
    first = sum(SHARES[:rank])
    found = {name: step(name, slice(first, first + SHARES[rank]), len(SHARES)) for name in NETWORKS}
    torch.save(found, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, dict[str, Tensor]]]:
    """What each worker found, by network."""
    folder: Path = tmp_path_factory.mktemp("gloo")
    words = "import sys; from tests.models.test_contrastive import work; work(int(sys.argv[1]), sys.argv[2])"
    workers = [subprocess.Popen([sys.executable, "-c", words, str(rank), folder], cwd=ROOT) for rank in (0, 1)]
    try:
        assert [worker.wait(300) for worker in workers] == [0, 0]
    finally:
        for worker in workers:
            worker.kill()
    return [torch.load(folder / f"{rank}.pt") for rank in range(len(SHARES))]


@pytest.mark.parametrize("name", NETWORKS)
def test_workers_of_uneven_shares_compute_what_one_does(name: str, apart: list) -> None:
    """The same loss, and after DDP's mean the same gradients, of encoders and projections."""
    whole = step(name, slice(None), workers=1)
    assert sum(found[name]["loss"].item() for found in apart) == pytest.approx(whole.pop("loss").item(), rel=1e-9)
    for parameter, gradient in whole.items():
        assert gradient.abs().max() > 1e-6, parameter
        for found in apart:
            torch.testing.assert_close(found[name][parameter], gradient, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("name", NETWORKS)
def test_clips_of_a_worker_of_its_own_would_give_another_loss(name: str, apart: list) -> None:
    """Or the test above would prove nothing: the other worker's clips are among those to tell a clip from."""
    alone = step(name, slice(SHARES[0]), workers=1)["loss"].item()
    assert apart[0][name]["loss"].item() > 1.1 * alone


def test_by_hand() -> None:
    """Clips at right angles: each finds its own, and from another's the loss is that of the wrong one."""
    eye = torch.eye(4, 8, dtype=torch.float64)
    own, others = 1 / TEMPERATURE, 3
    expected = math.log(math.exp(own) + others) - own
    assert both_ways(eye, eye) == pytest.approx(4 * expected, rel=1e-3)
    assert both_ways(eye, eye.roll(1, 0)) == pytest.approx(4 * (expected + own), rel=1e-3)
    same = torch.ones(4, 8) / 8**0.5
    assert both_ways(same, same) == pytest.approx(4 * math.log(4), rel=1e-5)


def both_ways(a_BW: Tensor, b_BW: Tensor, there_B: Tensor = ALL) -> float:
    return contrast({"a": a_BW, "b": b_BW}, there_B, TEMPERATURE).item()


def drawn(count: int = 6) -> tuple[Tensor, Tensor]:
    return tuple(nn.functional.normalize(torch.randn(count, 8), dim=1) for _ in range(2))  # pyright: ignore


def test_both_ways_are_alike_and_the_order_of_clips_is_nothing() -> None:
    (a, b), order = drawn(4), torch.randperm(4)
    for other in (both_ways(b, a), both_ways(a[order], b[order])):
        assert other == pytest.approx(both_ways(a, b), rel=1e-5)
    assert both_ways(a, b[[1, 2, 3, 0]]) != pytest.approx(both_ways(a, b), rel=1e-2)


def test_within_one_view_it_is_nt_xent() -> None:
    """Cross-entropy over all 2 N embeddings but the clip's own (Chen et al., 2020, equation 1)."""
    a, b = drawn()
    both = torch.cat([a, b])
    logits = (both @ both.T / 0.5).fill_diagonal_(-torch.inf)
    expected = nn.functional.cross_entropy(logits, torch.arange(12).roll(6), reduction="sum") / 2
    found = contrast({"a": a, "b": b}, torch.ones(6, dtype=torch.bool), 0.5, within=0.5)
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("within", [1.0, 0.1])
def test_mined_clips_are_positives_of_both_views(within: float) -> None:
    """The sums of CMC-CMKM's loss written out, clip by clip."""
    (a, b), count, expected = drawn(), 6, 0.0
    views = {"a": a, "b": b}
    nearest = {"a": [1, 0, 3, 2, 5, 4], "b": [2, 2, 0, 4, 3, 1]}
    for one, other in (("a", "b"), ("b", "a")):
        for i in range(count):
            across = [math.exp(float(views[one][i] @ views[other][j]) / TEMPERATURE) for j in range(count)]
            inside = [math.exp(float(views[one][i] @ views[one][j]) / within) for j in range(count)]
            right = across[i] + across[nearest[other][i]] + inside[nearest[one][i]]
            expected -= math.log(right / (sum(across) + sum(inside) - inside[i])) / 2
    near = {name: nn.functional.one_hot(torch.tensor(found), count).bool() for name, found in nearest.items()}
    found = contrast(views, torch.ones(count, dtype=torch.bool), TEMPERATURE, within, near)
    assert found.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", ["two", "three", "mining"])
def test_a_clip_that_lacks_a_modality_makes_no_pair(name: str) -> None:
    """The loss and the gradients are those of the other clips."""
    model, batch = network(name).eval(), clips(name)
    others = {m: values[torch.arange(9) != LACKING] for m, values in batch.items()}
    found = []
    for each in (batch, others):
        model.zero_grad()
        (loss := model(each)["loss"]).backward()
        found.append([loss.detach(), *(p.grad for p in model.parameters() if p.grad is not None)])
    assert len(found[0]) > 10
    torch.testing.assert_close(*found, rtol=1e-7, atol=1e-12)
    alone = {m: values[[LACKING, LACKING]] for m, values in batch.items()}
    assert model(alone)["loss"].item() == 0


def test_the_nearest_of_a_batch_is_by_the_parents_encoder() -> None:
    model, batch = network("mining"), clips("mining")
    batch["imu"][7] = batch["imu"][3] + 1e-3 * torch.randn(60, 6, dtype=torch.float64)
    batch["imu_length"][7] = batch["imu_length"][3]
    there = model.there(batch)  # pyright: ignore
    near = model.near(batch, "imu", there)  # pyright: ignore
    assert near[3, 7] and near[7, 3] and (near.sum(1) == 1).all() and not near.diagonal().any()
    assert not near[there, LACKING].any()
    before = copy.deepcopy(model.similar.state_dict())  # pyright: ignore
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    update(model.train(), optimizer, batch, 9, 1)
    assert all(value.equal(model.similar.state_dict()[name]) for name, value in before.items())  # pyright: ignore
    assert not any(module.training for module in model.similar.modules())  # pyright: ignore


def test_of_three_modalities_it_is_the_mean_over_pairs() -> None:
    model, batch = network("three").eval(), clips("three")
    found = {name: model.projected(batch, name) for name in model.encoders}  # pyright: ignore
    assert all(torch.allclose(x.norm(dim=1), torch.ones(9, dtype=x.dtype)) for x in found.values())
    pairs = [both_ways(a, b, model.there(batch)) for a, b in combinations(found.values(), 2)]  # pyright: ignore
    assert model(batch)["loss"].item() == pytest.approx(sum(pairs) / 3, rel=1e-9)


@pytest.mark.parametrize("name", NETWORKS)
def test_it_learns_to_tell_clips_apart_and_classifies_none(name: str) -> None:
    model, batch = network(name), clips(name)
    if name == "simclr":
        batch["imu:2"] = batch["imu"] + 0.1 * batch["imu:2"]
        batch["imu_length:2"] = batch["imu_length"]
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    losses = [update(model, optimizer, batch, 9, 1)["loss"].item() for _ in range(30)]
    assert losses[-1] < 0.5 * losses[0]
    assert model(batch).keys() == {"loss"} and not model.spec.classifies
    with pytest.raises(NotImplementedError, match="has no classifier"):
        model.logits(batch)


def test_a_classifier_starts_from_the_encoders() -> None:
    parent = copy.deepcopy(network("two"))
    spec = NetworkSpec(parent.spec.encoders, HeadSpec(16, finetuned={"imu": ("conv3",)}))
    child = build(spec, 5, 1, dict.fromkeys(NETWORKS["two"], parent)).double()
    for name in NETWORKS["two"]:
        assert child.encoder(name) is parent.encoder(name)
    batch = clips("two")
    assert child.logits(batch).shape == (9, 5)
    moving = {name.rsplit(".", 1)[0] for name, p in child.named_parameters() if p.requires_grad}
    assert moving == {"head.0", "head.2", "encoders.imu.layers.6", *(f"encoders.watch.layers.{i}" for i in (0, 3, 6))}

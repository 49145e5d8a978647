"""Runs that a card can't hold are said before they start, with the ways out."""

from dataclasses import replace
from typing import Any

import pytest

from datasets.modalities import imu, video
from models.encoders import BLOCKS
from models.spec import EncoderSpec, NetworkSpec
from orchestrator.cluster import memory
from orchestrator.plan.recipes import HEADS
from orchestrator.plan.spec import Optimization, RunSpec
from orchestrator.worker.cards import Card
from tests.support.runs import specs

A40 = Card("NVIDIA A40", 46068 << 20, "580.95.05")
A10 = Card("NVIDIA A10", 23028 << 20, "580.95.05")
INPUTS = {"imu": imu.Input(275, 6), "video": video.Input(64, 224, 64, 224)}
ONE = {"imu": 1.0, "video": 1.0, "fusion": 1.0}


def run(*read: str, batch: int = 16, name: str = "s3d", finetuned: Any = None, workers: int = 1, **how: Any) -> RunSpec:
    """At `paper` scale; `how` are settings of the encoder of videos."""
    head = HEADS["fusion" if len(read) > 1 else "video"].of(read)
    head = head if finetuned is None or "video" not in read else replace(head, finetuned={"video": finetuned})
    encoders = {"imu": EncoderSpec("cnn"), "video": EncoderSpec(name, how)}
    network = NetworkSpec({m: encoders[m] for m in read}, head)
    parents = {m: m * 16 for m in read} if len(read) > 1 else {}
    inputs = {m: INPUTS[m] for m in read}
    optimization = Optimization(1e-3, 0, batch, epochs=1)
    return specs.run(*read, how=optimization, inputs=inputs, network=network, parents=parents, workers=workers)


def test_the_papers_runs_fit_one_a40() -> None:
    runs = [run(*read, name=name) for name in ("s3d", "i3d") for read in (("video",), ("imu", "video"))]
    assert memory.check(runs, ONE, [A40, A40]) == []


def test_what_does_not_fit_is_said_of_the_smallest_card_with_the_ways_out() -> None:
    [said] = memory.check([run("video")], ONE, [A40, A10])
    assert said.startswith("A video run takes about ") and "the smallest card (NVIDIA A10, 24 GB)" in said
    assert "--workers video 2" in said and "--set video.optimization.batch 8" in said
    assert "--set video.model.precision bf16" in said
    assert memory.check([run("video", workers=2)], ONE, [A10]) == [], "the way out it names is one"
    [half] = memory.check([run("video", batch=64, precision="bf16")], ONE, [A40])
    assert "bf16" not in half, "it computes in bf16 already"


def test_a_share_of_a_card_has_a_share_of_its_memory() -> None:
    [said] = memory.check([run("video")], ONE | {"video": 0.5}, [A40])
    assert "of 0.5 of the smallest card" in said


@pytest.mark.parametrize("cards", [[], [A10]])
def test_nothing_is_said_of_cpus_or_of_cards_that_nobody_told(cards: list[Card]) -> None:
    assert memory.check([run("video")], ONE if not cards else dict.fromkeys(ONE, 0.0), cards) == []


def test_a_run_takes_less_the_less_of_it_trains() -> None:
    whole, last = run("imu", "video", finetuned=tuple(BLOCKS)), run("imu", "video", finetuned=("Mixed_5c",))
    frozen = run("video", name="i3d", weights="kinetics400", frozen="Mixed_4b")
    sizes = [memory.worker_bytes(spec) for spec in (whole, run("imu", "video"), last)]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] > 1.5 * sizes[1]
    assert memory.worker_bytes(whole) == memory.worker_bytes(run("video"))
    assert memory.worker_bytes(frozen) < 0.2 * memory.worker_bytes(run("video", name="i3d"))
    assert memory.worker_bytes(run("imu")) == 0, "encoders of signals aren't in the table"

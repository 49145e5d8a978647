"""Cards as NVIDIA's command tells them, here by a command of that name that says what it would."""

import os
from pathlib import Path

import pytest
import torch

from orchestrator.worker import cards
from orchestrator.worker.cards import Card

A40 = Card("NVIDIA A40", 46068 << 20, "580.95.05")


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return tmp_path / "nvidia-smi"


def say(command: Path, script: str) -> None:
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)


def test_cards_are_counted_by_kind(command: Path) -> None:
    say(command, "for i in 1 2; do echo 'NVIDIA A40, 46068, 580.95.05'; done; echo 'NVIDIA T4, 15360, 580.95.05'")
    found = cards.here()
    assert found == [A40, A40, Card("NVIDIA T4", 15360 << 20, "580.95.05")]
    assert cards.words(found) == ("2 NVIDIA A40 of 48 GB, driver 580.95.05; 1 NVIDIA T4 of 16 GB, driver 580.95.05")


@pytest.mark.parametrize(
    "script", ["echo 'Failed to initialize NVML: Driver/library version mismatch'; exit 18", "exit 0"]
)
def test_a_command_that_fails_tells_of_none(command: Path, script: str) -> None:
    say(command, script)
    assert cards.here() == []


def test_a_card_whose_memory_is_not_told_is_left_out() -> None:
    assert cards.read("NVIDIA A40, 46068, 580.95.05\nNVIDIA A100 MIG, [N/A], 580.95.05\n\n") == [A40]


def test_a_run_on_cpus_names_the_processor() -> None:
    [(name, value)] = cards.used(torch.device("cpu")).items()
    assert name == "device" and value and value in Path("/proc/cpuinfo").read_text() + os.uname().machine

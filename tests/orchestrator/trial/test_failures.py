"""What a failed run's reason says."""

from dataclasses import replace

import torch

from orchestrator.trial import failures
from tests.support.runs import specs

# As torch 2.11 said it on an H200.
SAID = (
    "CUDA out of memory. Tried to allocate 3.88 GiB. GPU 0 has a total capacity of 139.80 GiB of which 1.40 GiB is"
    " free. Process 31369 has 1.51 GiB memory in use. If reserved but unallocated memory is large try setting"
    " PYTORCH_ALLOC_CONF=expandable_segments:True to avoid fragmentation."
)


def test_a_card_that_is_too_small_is_told_with_the_ways_out() -> None:
    said = failures.raised(torch.OutOfMemoryError(SAID), specs.run("video"))
    assert said.startswith(
        "the memory of its GPU is too small for what runs on it: Tried to allocate 3.88 GiB; GPU 0 has a total"
        " capacity of 139.80 GiB of which 1.40 GiB is free. Give --workers video 2 or --set video.optimization.batch "
    )
    assert "Process" not in said


def test_a_share_of_a_card_is_told_to_be_larger_and_other_methods_keep_their_encoders() -> None:
    said = failures.raised(RuntimeError("CUDA error: out of memory"), specs.run("video"), 0.25)
    assert "for what runs on it: CUDA error: out of memory. Give --gpus video 0.5 or --set video.opt" in said
    other = replace(specs.run("video"), stage="hamlet")
    assert "bf16" not in failures.raised(
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1EB memory."), other
    )


def test_what_else_a_run_raises_is_named_with_its_kind() -> None:
    assert failures.raised(KeyError("x"), specs.run("video")) == "KeyError: 'x'"

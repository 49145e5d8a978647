"""Depth seen from another side."""

import pytest
import torch

from datasets.depths import augment
from datasets.depths.person import MM_A_LEVEL


def turned(x: torch.Tensor, degrees: float, monkeypatch: pytest.MonkeyPatch) -> torch.Tensor:
    """By exactly this angle."""
    monkeypatch.setattr(torch, "randn", lambda *shape: torch.ones(*shape))
    return augment.turned(x, degrees, augment.SIDE / x.shape[3])


def points(x: torch.Tensor) -> list[tuple[int, int, int]]:
    """Row, column and level of what is there, in the first frame."""
    frame = x[0, 0, :, :, 0]
    return [(int(h), int(w), int(frame[h, w])) for h, w in frame.nonzero()]


def test_no_angle_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    x = torch.randint(120, 128, (2, 3, 16, 16, 1), dtype=torch.uint8)
    x[:, :, :4], x[:, :, 12:], x[:, :, :, :4], x[:, :, :, 12:] = 0, 0, 0, 0
    assert torch.equal(turned(x, 0.0, monkeypatch), x)


def test_a_point_before_the_axis_moves_aside_and_one_beside_it_towards_or_away(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.zeros(1, 1, 21, 21, 1, dtype=torch.uint8)
    scale = augment.SIDE / 21
    x[0, 0, 3, 10] = 228  # 800 mm before the axis
    x[0, 0, 8, 15] = 128  # five pixels beside it
    found = {row: (column, level) for row, column, level in points(turned(x, 30.0, monkeypatch))}
    assert found[3] == (10 + round(0.5 * 800 / scale), 128 + round(0.866 * 100))
    assert found[8] == (10 + round(0.866 * 5), 128 - round(0.5 * 5 * scale / MM_A_LEVEL))


def test_what_scaling_mixed_with_nothing_is_no_point(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.zeros(1, 1, 21, 21, 1, dtype=torch.uint8)
    x[0, 0, 5:16, 6:15] = 128
    x[0, 0, 5:16, 15] = 60  # half of it was measured
    found = points(turned(x, 20.0, monkeypatch))
    assert min(level for _, _, level in found) > 100


def test_the_nearer_of_two_covers_the_other_and_rows_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.zeros(1, 2, 21, 21, 1, dtype=torch.uint8)
    x[:, :, 5, 6:15] = 128  # a wall that is seen from its edge after a quarter turn
    found = points(turned(x, 90.0, monkeypatch))
    assert [(row, column) for row, column, _ in found] == [(5, 10)]
    assert found[0][2] == 128 + round(4 * augment.SIDE / 21 / MM_A_LEVEL)


def test_a_surface_keeps_no_gaps_of_one_pixel(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.zeros(1, 1, 32, 32, 1, dtype=torch.uint8)
    x[0, 0, 4:28, 10:22, 0] = torch.linspace(110, 150, 12).round().to(torch.uint8)
    row = turned(x, 20.0, monkeypatch)[0, 0, 16, :, 0]
    there = row.nonzero()[:, 0]
    assert there[-1] - there[0] + 1 == len(there) >= 12


def test_clips_turn_apart_and_nothing_is_mirrored() -> None:
    torch.manual_seed(0)
    x = torch.zeros(8, 1, 16, 32, 1, dtype=torch.uint8)
    x[:, :, 4:12, 8:24] = 128
    x[:, :, 6:8, 24:28] = 128  # an arm, to one side
    found = augment.turned(x, 10.0, augment.SIDE / 32)
    assert len({tuple(clip.flatten().tolist()) for clip in found}) == 8
    right, left = (found[:, 0, 6:8, side, 0].gt(0).sum(dim=(1, 2)) for side in (slice(23, 32), slice(0, 9)))
    assert (right > left).all()

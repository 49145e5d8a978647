"""Which rows Table 2 has: by the modalities that a study is about, and none that nobody asked for."""

import pytest

from experiments import table2
from models.methods import RIVALS, TUNED
from orchestrator.plan.study import Outline


def rows(*modalities: str, methods: tuple[str, ...] = tuple(table2.ROWS)) -> list[tuple[str, str]]:
    found = table2.cells(Outline(modalities), 0, methods)  # pyright: ignore[reportArgumentType]
    return [(cell.method, "+".join(cell.modalities)) for cell in found]


def test_all_sensors_give_all_rows_and_ours_on_each_set_that_another_method_reads() -> None:
    found = rows("imu", "skeleton", "depth")
    assert {method for method, _ in found} == set(table2.ROWS)
    ours = {read for method, read in found if method == "two-stage"}
    assert len(ours) == 7 and {read for _, read in found} == ours
    assert ("hamlet", "depth+skeleton") in found and ("paper", "depth+imu") in found


def test_frames_are_the_studys_video_or_depth_and_rows_without_their_sensors_are_left_out() -> None:
    assert ("paper", "imu+video") in rows("imu", "video") and ("hamlet", "skeleton+video") in rows("skeleton", "video")
    own = {method for method, _ in rows("imu") if method in RIVALS}
    assert own == {"simclr-imu", "vskd-student"}, "and each has its second row"
    assert {method for method, _ in rows("imu")} == {"paper", "two-stage", *own, *(name + TUNED for name in own)}


def test_a_method_without_a_row_is_refused() -> None:
    with pytest.raises(ValueError, match=r"--methods attention: choose from paper, hamlet"):
        rows("imu", "skeleton", methods=("attention",))

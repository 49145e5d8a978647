"""A record's rows and their paired differences, from the committed file alone."""

import json
from typing import Any

import pytest

from experiments import record_table
from experiments.record import FOLDER
from experiments.record_table import Against, Asked

TABLE2 = "table2-utd-mhad-depth-video-laptop-tuned-odd-even"


def result(method: str, seed: int, wrong: list[str], n: int = 20) -> dict[str, Any]:
    right = n - len(wrong)
    about = {"experiment": "methods", "method": method, "modalities": ["imu"], "key": f"{method}{seed}"}
    return about | {"seed": seed, "n": n, "k": right, "top1": right / n, "wrong": wrong}


def test_clips_are_paired_by_name_and_those_nobody_missed_count() -> None:
    results = [result("a", 0, ["x", "y", "z", "u", "v", "w"]), result("b", 0, ["z"]), result("c", 0, [])]
    against = Against(results)
    [gap, none] = against.all([(results[:1], results[1:2]), (results[:1], [])])
    assert gap is not None and none is None
    assert gap.points == pytest.approx(-25) and gap.p == pytest.approx(2 * 0.5**5)  # five clips to none
    [other] = against.all([(results[2:], results[1:2])])
    assert other is not None and other.points == pytest.approx(5)


def test_rows_are_of_table_2_and_in_order_of_seeds() -> None:
    results = [result("a", 1, []), result("a", 0, ["x"]), result("a", 2, []) | {"experiment": "ratio"}]
    [(name, cells)] = record_table.rows_of(results).items()
    assert name == ("a", ("imu",)) and [cell["seed"] for cell in cells] == [0, 1]
    with pytest.raises(ValueError, match="a of imu: has several results of one seed"):
        record_table.rows_of([*results, result("a", 1, ["y"])])


def test_the_record_of_table_2_gives_what_its_report_gave(capsys: pytest.CaptureFixture[str]) -> None:
    results = json.loads((FOLDER / f"{TABLE2}.json").read_text())["results"]
    found, read = record_table.rows_of(results), ("depth", "imu", "skeleton")
    [gap] = Against(results).all([(found["hamlet", read], found["two-stage", read])])
    assert gap is not None and (round(gap.points, 2), round(gap.low, 2), round(gap.high, 2)) == (-8.22, -10.78, -5.66)
    assert record_table.show(Asked(TABLE2)) == 0
    assert "corrected by Holm's method" in capsys.readouterr().out


def test_a_record_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(ValueError, match=f"nothing: choose from .*{FOLDER.joinpath(TABLE2).name}"):
        record_table.show(Asked("nothing"))


def test_a_record_without_such_rows_is_refused() -> None:
    with pytest.raises(ValueError, match=r"zero-shot.*\.json: has no results of table2.py"):
        record_table.show(Asked("zero-shot-utd-mhad-depth-video-laptop-tuned-odd-even"))

"""The tables as CSV: what a spreadsheet reads of them."""

import base64
import csv
import re
from pathlib import Path

import pytest

from orchestrator.report.analysis import sheets
from tests.support.runs.made_up import ablate, make, make_subsets, write

ALL = "table2 paper claims variants figure2 figure3 calibration subjects classes runs".split()


def read(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))


def test_every_table_lies_beside_the_page_and_in_it(no_plots: None, tmp_path: Path):
    results = make(tmp_path / "runs", seeds=2)
    ablate(results, tmp_path / "runs")
    page, folder = write(results, tmp_path), tmp_path / "report"
    assert {file.stem for file in folder.glob("*.csv")} == set(ALL)
    held = re.findall(r'download="([^"]*)" href="data:text/csv;base64,([^"]*)"', page)
    assert {name: base64.b64decode(content) for name, content in held} == {
        file.name: file.read_bytes() for file in folder.glob("*.csv")
    }
    for imu in (read(folder / "table2.csv")[0], next(r for r in read(folder / "figure2.csv") if r["ratio"] == "1.0")):
        assert imu["reads"] == "IMU only" and float(imu["top1"]) == pytest.approx(100 * 9.5 / 12)
        assert float(imu["top1_deviation"]) == pytest.approx(100 * 0.5**0.5 / 12)
        assert (imu["k"], imu["n"], imu["seeds"]) == ("19", "24", "2") and float(imu["top1_low"]) < 79.17
    rows = read(folder / "figure3.csv")
    assert {(row["reads"], row["hidden"]) for row in rows} >= {("IMU*", "1"), ("IMU* + depth video (AVI)", "2")}
    assert all(row["top1_hidden"] == "0.0" for row in rows)


def test_subsets_have_a_line_for_each_comparison(no_plots: None, tmp_path: Path):
    results = make_subsets(tmp_path / "runs", {"imu": 2, "video": 6, "imu+video": 8})
    write(results, tmp_path)
    rows = read(tmp_path / "report" / "subsets.csv")
    assert [(row["reads"], row["against"]) for row in rows[2:]] == [
        ("IMU + depth video (AVI)", "imu"), ("IMU + depth video (AVI)", "video")
    ]  # fmt: skip
    assert float(rows[2]["points"]) == pytest.approx(50) and rows[0]["points"] == ""


def test_no_name_is_taken_for_a_formula():
    lines = sheets.written([{"class": name, "clips": -1} for name in ("=1+1", "@x", "-x", "+4.2 points", "a,b")])
    assert lines.splitlines()[1:] == ["'=1+1,-1", "'@x,-1", "'-x,-1", "+4.2 points,-1", '"a,b",-1']

"""The pictures that MLflow gets of a run, read back as XML; a browser looks at one in test_mlflow_page.py."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from orchestrator.tracking import pictures

PROTOCOL = "odd-even: subjects 1, 3 train, 2, 4 test; NOT CLEAN & said so"


def parsed(svg: bytes) -> ElementTree.Element:
    return ElementTree.fromstring(svg)  # noqa: S314  it was made here


def texts(svg: bytes) -> list[str]:
    return [element.text or "" for element in parsed(svg).iter() if element.tag.endswith("text")]


def test_a_confusion_matrix_has_each_share_and_each_class_twice() -> None:
    count_KK = np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]])
    said = texts(pictures.confusion(count_KK, ["wave", "<clap>", "squat"], "IMU & RGB, seed 0", PROTOCOL))
    assert said[:2] == ["IMU & RGB, seed 0", PROTOCOL]
    assert said[2:5] == ["75", "25", "100"]
    assert all(said.count(name) == 2 for name in ("wave", "<clap>", "squat"))


def test_a_long_class_name_is_shortened_and_the_picture_holds_it() -> None:
    svg = pictures.confusion(np.eye(2, dtype=int), ["a " * 100, "b" * 32], "title", "")
    assert max(map(len, texts(svg))) == pictures.LONGEST and texts(svg).count("b" * 32) == 2
    name = next(element for element in parsed(svg).iter() if element.text == "b" * 32)
    assert float(name.attrib["x"]) >= pictures.LETTER * pictures.LONGEST  # where it ends


def test_a_long_title_and_a_long_protocol_are_wrapped() -> None:
    title, protocol = "Depth + IMU + Skeleton, 25 % of the data, " * 4, PROTOCOL * 5
    said = texts(pictures.confusion(np.eye(2, dtype=int), ["a", "b"], title, protocol))
    words = " ".join(said).split()
    assert words[: len(title.split())] == title.split() and max(map(len, said)) * pictures.LETTER < pictures.WIDTH
    assert [word for word in PROTOCOL.split() if word not in words] == []


@pytest.mark.parametrize("rates", [{"train_top1": 0.5}, {}])
@pytest.mark.parametrize("epochs", [1, 3])
def test_curves_are_of_what_a_run_has(rates: dict, epochs: int) -> None:
    history = [{"epoch": epoch, "loss": 2 / epoch} | rates for epoch in range(1, epochs + 1)]
    svg = pictures.curves(history, "title", PROTOCOL)
    assert ("training top-1 (%)" in texts(svg)) == bool(rates) and "training loss" in texts(svg)
    assert svg.count(b"<polyline" if epochs > 1 else b"<circle") == 1 + bool(rates)


def test_a_loss_that_is_no_number_is_left_out() -> None:
    history = [{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": float("nan")}, {"epoch": 3, "loss": 1.0}]
    svg = pictures.curves(history, "title", "")
    assert b"nan," not in svg and b"nan<" not in svg and b'points="0.0,0.0 300.0,95.0 "' in svg

"""CSVs and .mat files as loggers, spreadsheets and MATLAB write them: read as they are meant, or refused in words."""

import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from datasets import corpora
from datasets.signals import inertial, mmact_sensors

draw = np.random.default_rng(0)
SIGNAL = np.hstack([draw.normal(0, 0.4, (60, 3)) + np.array([0, 1, 0]), draw.normal(0, 90, (60, 3))]).round(4)
ROWS = [[f"{value:.4f}" for value in row] for row in SIGNAL]
NAMES = list(inertial.CHANNELS)


def text(names: list[str] = NAMES, rows: list[list[str]] = ROWS, by: str = ",", end: str = "\n") -> str:
    return "".join(by.join(line) + end for line in [names, *rows])


def each(change: Callable[[str], str]) -> list[list[str]]:
    return [[change(value) for value in row] for row in ROWS]


READ: dict[str, bytes] = {
    "plain": text().encode(),
    "a byte order mark": b"\xef\xbb\xbf" + text().encode(),
    "Windows line ends": text(end="\r\n").encode(),
    "old Mac line ends": text(end="\r").encode(),
    "no end of the last line": text().rstrip().encode(),
    "names in quotes": text([f'"{name}"' for name in NAMES]).encode(),
    "numbers in quotes": text(rows=each(lambda value: f'"{value}"')).encode(),
    "capitals": text([name.upper() for name in NAMES]).encode(),
    "blanks behind commas": text(by=", ").encode(),
    "semicolons": text(by=";").encode(),
    "tabs": text(by="\t").encode(),
    "Excel's separator line": ("sep=;\n" + text(by=";")).encode(),
    "units": text(["ax (g)", "ay [g]", "az (G)", "gx (deg/s)", "gy (°/s)", "gz [dps]"]).encode(),
    "units in Latin-1": text([*NAMES[:3], "gx (°/s)", "gy (°/s)", "gz (°/s)"]).encode("latin-1"),
    "a time in front": text(["time", *NAMES], [[str(20 * i), *row] for i, row in enumerate(ROWS)]).encode(),
    "words in another column": text(
        [*NAMES, "who"], [[*row, "Ada, Lovelace".replace(", ", " ")] for row in ROWS]
    ).encode(),
    "an index without a name": text(["", *NAMES], [[str(i), *row] for i, row in enumerate(ROWS)]).encode(),
    "a comma at each end": text(end=",\n").encode(),
    "comments above": ("# wrist\n\n# 50 Hz, left\n" + text()).encode(),
    "empty lines below": (text() + "\n\n").encode(),
    "exponents": text(rows=each(lambda value: f"{float(value):.6e}")).encode(),
    "another order": text(NAMES[::-1], [row[::-1] for row in ROWS]).encode(),
}


@pytest.mark.parametrize("how", READ)
def test_what_can_only_mean_one_thing_is_read(how: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(READ[how])
    np.testing.assert_allclose(inertial.read_csv(tmp_path / "a.csv"), SIGNAL, atol=1e-4)


REFUSED: dict[str, tuple[bytes, str]] = {
    "decimal commas": (text(rows=each(lambda v: v.replace(".", ","))).encode(), "has decimal commas .*decimal points"),
    "decimal commas, semicolons": (
        text(rows=each(lambda v: v.replace(".", ",")), by=";").encode(),
        "has decimal commas .*decimal points",
    ),
    "UTF-16": (text().encode("utf-16"), "is written in UTF-16 .*UTF-8"),
    "UTF-16 without a mark": (text().encode("utf-16-le"), "is written in UTF-16"),
    "no names": (text().split("\n", 1)[1].encode(), "has no names of its columns: write ax,ay,az,gx,gy,gz above"),
    "no gyroscope": (text(NAMES[:3], [row[:3] for row in ROWS]).encode(), "has the columns ax, ay, az; it needs"),
    "an empty gyroscope": (
        text(rows=[[*row[:3], "", "", ""] for row in ROWS]).encode(),
        "180 values that are missing, NaN or infinite; the first is gx in line 2",
    ),
    "another unit": (text(["ax (m/s^2)", *NAMES[1:]]).encode(), r"column 'ax \(m/s\^2\)', and ax is wanted in g"),
    "one name twice": (
        text([*NAMES[:5], "gz", "gz"], [[*row, "1"] for row in ROWS]).encode(),
        "more than one column gz",
    ),
    "cut off": (text().encode()[:-25], "line 61: Expected 6 columns, got 3"),
    "two files joined": ((text() + text()).encode(), "in column ax: line 62: .*invalid value 'ax'"),
    "words": (text(rows=[[*row[:5], "NA"] for row in ROWS]).encode(), "in column gz: line 2: .*invalid value 'NA'"),
    "blanks between columns": (text(by=" ").encode(), "divides its columns by blanks"),
    "a tail of zero bytes": (text().encode() + bytes(512), "ends in 512 zero bytes"),
    "another file": (b"hello world\n" * 20, "its first line is 'hello world'; it needs ax"),
}


@pytest.mark.parametrize("how", REFUSED)
def test_what_is_ambiguous_is_refused_by_what_was_found(how: str, tmp_path: Path) -> None:
    content, words = REFUSED[how]
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(ValueError, match=words) as raised:
        inertial.read_csv(tmp_path / "a.csv")
    assert "\n" not in str(raised.value)


STAMPS = [f"20181016_13:37:{28 + i // 50:02}.{20000 * (i % 50):06}" for i in range(60)]


def sensor(by: str = ",", end: str = "\n", names: str = "") -> bytes:
    """One of MMAct's files."""
    return (names + "".join(by.join([stamp, *row[:3]]) + end for stamp, row in zip(STAMPS, ROWS, strict=True))).encode()


@pytest.mark.parametrize(
    "content",
    [
        sensor(),
        sensor(names="time,x,y,z\n"),
        b"\xef\xbb\xbf" + sensor(names="Time,X,Y,Z\n"),
        sensor(end="\r\n"),
        sensor(by=";"),
        sensor(by="\t", names="time\tx\ty\tz\n"),
    ],
)
def test_a_sensor_of_mmact_is_read_in_other_dialects(content: bytes) -> None:
    time, values = mmact_sensors.parse(content)
    np.testing.assert_allclose(values, SIGNAL[:, :3], atol=1e-4)
    assert np.diff(time).tolist() == [20_000_000] * 59
    [(_, again), (_, plain)] = mmact_sensors.parse_all([content, sensor()])  # pyright: ignore
    np.testing.assert_array_equal(again, plain)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (sensor().decode().encode("utf-16"), "is written in UTF-16"),
        (sensor(by=";").replace(b".", b","), "has both commas and semicolons or tabs: write .* decimal points"),
        (sensor() + bytes(99), "ends in 99 zero bytes"),
        (
            b"19700101_00:00:00.000000,1,2,3\n" + sensor(),
            r"1539697\d+ s apart, .*at most 3600 s: see row 1, 1970-01-01T00",
        ),
    ],
)
def test_a_sensor_of_mmact_that_nobody_can_mean_is_refused(content: bytes, words: str) -> None:
    """Of a wild time stamp a time axis of decades would be made, 574 GB of it."""
    with pytest.raises(ValueError, match=words):
        mmact_sensors.parse(content)
    whole, bad = mmact_sensors.parse_all([sensor(), content])
    assert not isinstance(whole, ValueError) and isinstance(bad, ValueError)


def test_files_that_are_parsed_together_keep_their_own_rows() -> None:
    """Whose lines end otherwise, or with empty ones between them."""
    rows = sensor().splitlines(keepends=True)
    odd = [
        b"".join(rows[:2]).replace(b"\n", b"\r"),
        rows[2] + b"\n" + rows[3],
        b"".join(rows[4:6]).replace(b"\n", b"\r\n\r\n"),
    ]
    for together, alone in zip(mmact_sensors.parse_all(odd), map(mmact_sensors.parse, odd), strict=True):
        assert not isinstance(together, ValueError) and len(together[0]) == 2
        np.testing.assert_array_equal(together[1], alone[1])


@pytest.mark.parametrize(
    ("names", "words"),
    [("time,z,y,x", "write them as time, x, y, z"), ("time,x (g),y (g),z (g)", "multiply them by 9.80665")],
)
def test_a_sensor_of_mmact_names_its_axes_in_order(names: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        mmact_sensors.parse(sensor(names=names + "\n"))
    assert len(mmact_sensors.parse(sensor(names="time,azimuth,pitch,roll\n"))[0]) == 60


@pytest.mark.parametrize(
    "names", ["ax(" + 2000 * " " + "b", "ax" + 40_000 * " " + "b", 40_000 * " " + "x", "ax," * 30_000]
)
def test_names_that_are_made_to_take_long_are_refused_at_once(names: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(names + "\n" + "1,2,3,4,5,6\n" * 60)
    with pytest.raises(ValueError, match=r"has the columns|its first line is|its line of names has"):
        inertial.read_csv(tmp_path / "a.csv")


def mat(**how: object) -> bytes:
    out = io.BytesIO()
    savemat(out, {"d_iner": SIGNAL} | {k: v for k, v in how.items() if not k.startswith("_")})
    return out.getvalue()


def version_73() -> bytes:
    """The first bytes of what save(..., '-v7.3') writes: MATLAB's own header before an HDF5 file."""
    words = b"MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Mon Jan  6 10:00:00 2025 HDF5 schema 1.00 ."
    header = words.ljust(116) + bytes(8) + struct.pack("<H", 0x0200) + b"IM"
    return header.ljust(512, b"\0") + b"\x89HDF\r\n\x1a\n" + bytes(2000)


OCTAVE = b"# Created by Octave 8.4.0\n# name: d_iner\n# type: matrix\n# rows: 2\n# columns: 6\n 1 2 3 4 5 6\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (version_73(), r"is a MATLAB file of version 7\.3 \(HDF5\): save it with save\(\.\.\., '-v7'\)"),
        (OCTAVE, "is a text file of Octave's: save it with save -v7"),
        (b"  1.0e+00  2.0e+00\n" * 60, "is a text file, not MATLAB's own"),
        (b"\x1f\x8b\x08" + bytes(99), "is compressed with gzip: unpack it"),
        (mat(d_iner=SIGNAL > 0), "d_iner holds logical, not numbers"),
        (mat(d_iner=SIGNAL.T), "d_iner is 6x60, not samples x 6: transpose it"),
        (mat(d_iner={"data": SIGNAL}), "d_iner holds struct, not numbers"),
    ],
)
def test_a_mat_that_is_another_kind_is_called_so(content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "a.mat").write_bytes(content)
    with pytest.raises(ValueError, match=words):
        corpora.summary(tmp_path / "a.mat", "imu", "utd-mhad")


def test_variables_beside_the_signal_are_no_matter_and_another_name_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.mat").write_bytes(mat(fs=50.0, note="right wrist"))
    np.testing.assert_allclose(inertial.read_mat(tmp_path / "a.mat"), SIGNAL, atol=1e-4)
    savemat(tmp_path / "b.mat", {"D_iner": SIGNAL})
    with pytest.raises(ValueError, match="has no variable d_iner; it has D_iner"):
        inertial.read_mat(tmp_path / "b.mat")

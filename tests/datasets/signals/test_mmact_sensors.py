"""MMAct's four sensors: their CSVs, their rates and clocks, and what the network makes of one that is missing."""

from pathlib import Path

import numpy as np
import pytest
import torch

from datasets.signals import mmact_sensors
from models import encoders
from tests.support.recordings.mmact_files import ROWS


@pytest.mark.parametrize("names", ["", "time,x,y,z\n", "time,azimuth,pitch,roll\r\n", '\ufeff"Time","x","y","z"\n\n'])
def test_a_csv_with_names_above_it_or_without_keeps_its_first_row(names: str) -> None:
    time, values = mmact_sensors.parse((names + ROWS).encode())
    assert values.shape == (60, 3) and values[0].tolist() == pytest.approx([0, 9.8, -0.5])
    assert (np.diff(time) == 10_000_000).all()


def test_stamps_without_a_fraction_repeated_and_stepping_back() -> None:
    stamps = ["20181016_23:59:59.990000", "20181017_00:00:00", "20181017_00:00:00", "20181016_23:59:59.995000"]
    time, values = mmact_sensors.parse("".join(f"{s},{i},0,0\n" for i, s in enumerate(stamps)).encode())
    assert ((time - time[0]) // 1_000_000).tolist() == [0, 10, 10, 5]
    assert values[:, 0].tolist() == [0, 1, 2, 3]  # rows stay as they stand in the file


def sensor(rate: int, seconds: float, offset: float = 0.0) -> bytes:
    """A sensor that measures the time itself, in seconds, on every axis."""
    lines = []
    for i in range(int(seconds * rate)):
        at = offset + i / rate
        lines.append(f"20181016_13:37:{28 + int(at):02d}.{round(at % 1 * 1e6):06d},{at},{at},{at}\n")
    return "".join(lines).encode()


@pytest.fixture
def four(tmp_path: Path) -> list[Path | None]:
    files: list[Path | None] = []
    for name, rate, offset in (("a", 100, 0.0), ("w", 100, 0.5), ("g", 50, 0.0), ("o", 50, 0.0)):
        (tmp_path / name).write_bytes(sensor(rate, 3, offset))
        files.append(tmp_path / name)
    return files


def test_sensors_follow_their_own_rates_and_are_padded(four: list[Path | None]) -> None:
    signal = mmact_sensors.read(four)
    assert signal.shape == (300, mmact_sensors.CHANNELS) and signal.dtype == np.float32
    assert np.isnan(signal).sum(axis=0).tolist() == [0] * 6 + [150] * 6
    assert signal[100, [0, 3, 6]].tolist() == pytest.approx([1.0, 1.5, 2.0])


@pytest.mark.parametrize("rate", [20, 50, 100])
def test_by_time_stamp_all_channels_are_of_the_same_moment(four: list[Path | None], rate: int) -> None:
    signal = mmact_sensors.read(four, rate)
    at = np.arange(len(signal)) / rate
    assert len(signal) == int(3.49 * rate) + 1
    for channel in range(9):
        inside = np.isfinite(signal[:, channel])
        np.testing.assert_allclose(signal[inside, channel], at[inside], atol=1e-5)
    assert np.isnan(signal[at < 0.5, 3]).all() and np.isfinite(signal[(at >= 0.5) & (at < 3.4), 3]).all()
    nearest = signal[:, 9][np.isfinite(signal[:, 9])]
    assert np.abs(nearest - at[: len(nearest)]).max() <= 0.01 + 1e-5  # the orientation is taken, not mixed


def test_nothing_at_all_is_parsed_to_nothing() -> None:
    assert mmact_sensors.parse_all([]) == [] and len(mmact_sensors.parse_all([b""])) == 1


@pytest.mark.parametrize("rate", [20, 50, 100])
def test_the_order_and_repeats_of_rows_change_nothing_by_time_stamp(four: list[Path | None], rate: int) -> None:
    expected, rng = mmact_sensors.read(four, rate), np.random.default_rng(0)
    for file in filter(None, four):
        lines = file.read_text().splitlines(keepends=True)
        lines += [lines[i] for i in rng.integers(0, len(lines), 40)]
        file.write_text("".join(lines[i] for i in rng.permutation(len(lines))))
    np.testing.assert_array_equal(mmact_sensors.read(four, rate), expected)


def test_a_sensor_with_a_clock_of_its_own_starts_where_the_longest_does(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(sensor(100, 3))
    (tmp_path / "w").write_bytes(sensor(100, 2).replace(b"20181016_13", b"20191016_13"))
    signal = mmact_sensors.read([tmp_path / "a", tmp_path / "w", None, None], 50)
    assert len(signal) == int(2.99 * 50) + 1 and signal[0, 3] == pytest.approx(0) and np.isnan(signal[:, 6:]).all()


def test_what_a_sensor_lacks_is_the_mean_to_the_network() -> None:
    torch.manual_seed(0)
    encoder = encoders.build("cnn", encoders.settings_of("cnn", {"channels": 12})).eval()
    encoder.mean.copy_(torch.arange(12.0))
    signal = torch.randn(1, 80, 12)
    lacking, mean = signal.clone(), signal.clone()
    lacking[:, 40:, 6:], mean[:, 40:, 6:] = torch.nan, torch.arange(6.0, 12.0)
    length = torch.tensor([80])
    assert torch.equal(encoder(lacking, length), encoder(mean, length))
    assert torch.isfinite(encoder(lacking, length)).all()

"""When frames are shown, by their time stamps, and which of them are kept."""

from pathlib import Path

import av
import numpy as np
import pytest

from datasets.videos import timing, video_file
from tests.support.recordings.films import count_frames, film, greys, levels, notes


@pytest.mark.parametrize("stamps", [[-(2**62), 0, 2**62], [0, 2**53], [None, 1, 2], [5, 5, 5, 5], [3]])
def test_stamps_that_are_no_times_spread_frames_by_number(stamps: list[int | None]) -> None:
    many = [*stamps] * 10
    np.testing.assert_array_equal(timing.sampled(many, 4, 1e-3, 0), timing.sample_times(len(many), 4))
    assert timing.seconds_shown(stamps, 1.0) == 0


# Brightness tells the time: 30 frames in the first second, then one a second for nine.
SECONDS = [i / 30 for i in range(30)] + [float(i) for i in range(1, 10)]


def varying(file: Path, seconds: list[float]) -> Path:
    images = [np.full((48, 64, 3), round(24 * min(s, 10)) + 10, np.uint8) for s in SECONDS]
    return film(file, images, "ffv1", pts=[round(1000 * s) for s in seconds])


def test_frames_of_a_varying_rate_are_spread_over_time(tmp_path: Path) -> None:
    times = [(level - 10) / 24 for level in levels(varying(tmp_path / "a.mkv", SECONDS))]
    # The last frame is shown for 1/30 s, as long as its container says: eight parts of 9.03 s.
    wanted = [0.56, 1.69, 2.82, 3.95, 5.08, 6.21, 7.34, 8.47]
    for time, shown in zip(times, wanted, strict=True):
        assert max(s for s in SECONDS if s <= shown) == pytest.approx(time, abs=0.1)


def test_two_frames_of_one_time_stamp_change_nothing_else(tmp_path: Path) -> None:
    twice = tmp_path / "twice.mkv"
    with av.open(str(varying(tmp_path / "a.mkv", SECONDS))) as source, av.open(str(twice), "w") as out:
        stream = source.streams.video[0]
        copy = out.add_stream_from_template(stream)
        before = 0
        for i, packet in enumerate(p for p in source.demux(stream) if p.dts is not None):
            packet.pts = packet.dts = before if i == 6 else packet.pts
            before, packet.stream = packet.pts, copy
            out.mux(packet)
    assert count_frames(twice) == len(SECONDS)
    np.testing.assert_allclose(levels(twice), levels(tmp_path / "a.mkv"), atol=1)


@pytest.mark.parametrize("jump", [1, 20, 39])
def test_a_jump_of_the_clock_is_an_ordinary_gap(jump: int, tmp_path: Path) -> None:
    pts = [33 * i + (3_600_000 if i >= jump else 0) for i in range(40)]
    file = film(tmp_path / "a.mkv", greys(40), "ffv1", pts=pts)
    assert list(notes(file)) == ["jump"]
    plain = film(tmp_path / "plain.mkv", greys(40), "ffv1", pts=[33 * i for i in range(40)])
    assert levels(file) == levels(plain)


@pytest.mark.parametrize(("ending", "rate"), [(".mkv", 30), (".flv", 24), (".wmv", 25), (".ts", 30), (".mp4", 50)])
def test_a_constant_rate_is_one_however_its_stamps_are_rounded(ending: str, rate: int, tmp_path: Path) -> None:
    codec = {".flv": "flv", ".wmv": "wmv2"}.get(ending, "libx264")
    file = film(tmp_path / f"a{ending}", greys(47), codec, rate=rate, kind={".wmv": "asf", ".ts": "mpegts"}.get(ending))
    with video_file.opened(file) as opened:
        list(opened)
        for wanted in (1, 7, 8, 16, 46, 47, 64):
            np.testing.assert_array_equal(opened.sampled(wanted), timing.sample_times(47, wanted))


def test_b_frames_of_an_avi_have_no_stamps_of_their_own(tmp_path: Path) -> None:
    """FFmpeg makes some up, which come in another order than the frames."""
    file = film(tmp_path / "a.avi", greys(40), rate=15)
    assert levels(file) == sorted(levels(file))
    with video_file.opened(file) as opened:
        list(opened)
        assert opened.stamps != sorted(opened.stamps), "or this proves nothing"
        np.testing.assert_array_equal(opened.sampled(8), timing.sample_times(40, 8))

"""Decoding one recording: which frames, in which form, and how a signal is padded."""

from pathlib import Path

import av
import numpy as np
import pytest
from scipy.io import loadmat

from datasets.signals import inertial
from datasets.videos import decode
from datasets.videos.video_file import VIDEOS
from tests.support.recordings.films import count_frames

SIZE = 24


@pytest.fixture(scope="module")
def film(recordings: Path) -> Path:
    return recordings / "RGB" / "a2_s1_t1_color.avi"


@pytest.fixture(scope="module")
def whole(film: Path) -> np.ndarray:
    """(N, SIZE, SIZE, 3): every frame, each scaled on its own."""
    with av.open(str(film)) as container:
        scaled = [
            frame.reformat(SIZE, SIZE, "rgb24", interpolation="AREA").to_ndarray()
            for frame in container.decode(container.streams.video[0])
        ]
    return np.stack(scaled)


@pytest.mark.parametrize("wanted", [1, 2, 7, 8, 64])
@pytest.mark.parametrize("frames", [1, 2, 7, 8, 9, 63, 64, 65, 100, 1001])
def test_sampled_frames_are_uniform_over_the_whole_clip(frames: int, wanted: int) -> None:
    times = decode.sample_times(frames, wanted)
    assert len(times) == min(frames, wanted)
    assert times.min() >= 0 and times.max() < frames
    gaps = np.diff(times)
    assert (gaps >= 1).all()
    if frames <= wanted:
        assert times.tolist() == list(range(frames))
    else:
        assert set(gaps) <= {frames // wanted, -(-frames // wanted)}
        assert abs(times[0] - (frames - 1 - times[-1])) <= 1  # as much is left out before as after


def moving(shape: tuple[int, int], where: tuple[int, int], size: int = 20, noise: float = 2.0) -> np.ndarray:
    """Ten grey frames of noise in which a bright square goes 30 pixels to the right from `where`."""
    film = 100 + noise * np.random.default_rng(0).standard_normal((10, *shape))
    for t in range(10):
        top, left = where[0], where[1] + 3 * t
        film[t, top : top + size, left : left + size] = 220
    return film


@pytest.mark.parametrize(("shape", "where"), [((240, 320), (100, 150)), ((240, 320), (0, 0)), ((320, 240), (290, 180))])
def test_the_crop_holds_what_moves_and_stays_inside(shape: tuple[int, int], where: tuple[int, int]) -> None:
    top, left, side = decode.motion_box(moving(shape, where))
    assert 0 <= top <= shape[0] - side and 0 <= left <= shape[1] - side
    assert 80 <= side <= 100  # 50 pixels of way and a margin, but no less than a third of the frame
    assert top <= where[0] + 1 and where[0] + 19 <= top + side
    assert left <= where[1] + 1 and where[1] + 46 <= left + side


def test_where_nothing_moves_the_middle_is_kept() -> None:
    assert decode.motion_box(np.full((5, 240, 320), 7.0)) == (0, 40, 240)
    assert decode.motion_box(moving((240, 320), (500, 0))) == (0, 40, 240)  # only noise


def test_a_cropped_clip_shows_the_figure_larger(film: Path, whole: np.ndarray) -> None:
    total = len(whole)
    plain, _ = decode.decode_video(film, 8, total, 48)
    cropped, length = decode.decode_video(film, 8, total, 48, "motion")
    assert cropped.shape == plain.shape == (8, 48, 48, 3) and length == 8
    moved = [np.abs(video.astype(float) - np.median(video, axis=0)).mean() for video in (plain, cropped)]
    assert moved[1] > 1.2 * moved[0]


@pytest.mark.parametrize("frames", [1, 8, 16])
def test_a_long_clip_gives_its_sampled_frames(frames: int, film: Path, whole: np.ndarray) -> None:
    total = count_frames(film)
    assert total == len(whole) > 16
    video, length = decode.decode_video(film, frames, total, SIZE)
    assert video.shape == (frames, SIZE, SIZE, 3) and video.dtype == np.uint8 and length == frames
    np.testing.assert_array_equal(video, whole[decode.sample_times(total, frames)])
    assert video.std() > 10 and (frames == 1 or (video[0] != video[-1]).any())


def test_a_short_clip_gives_all_its_frames_then_zeros(film: Path, whole: np.ndarray) -> None:
    total = len(whole)
    video, length = decode.decode_video(film, total + 5, total, SIZE)
    assert length == total
    np.testing.assert_array_equal(video[:total], whole)
    assert not video[total:].any() and len(video) == total + 5


def test_the_whole_frame_is_kept_and_its_channels_are_rgb(tmp_path: Path) -> None:
    image = np.zeros((240, 320, 3), np.uint8)
    image[:, :160, 0] = image[:120, 160:, 2] = 200  # left red, above right blue
    with av.open(str(tmp_path / "a.avi"), "w") as container:
        stream = container.add_stream("mpeg4", rate=15)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 320, 240, "yuv420p", 2_000_000
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    video, _ = decode.decode_video(tmp_path / "a.avi", 2, 3, 8)
    for corner, colour in (((0, 0), [200, 0, 0]), ((7, 0), [200, 0, 0]), ((0, 7), [0, 0, 200]), ((7, 7), [0, 0, 0])):
        assert np.abs(video[1][corner].astype(int) - colour).max() < 30, corner


# What predict offers by its ending: the container, where the ending doesn't say it, and a codec that lies in it.
CONTAINERS = {
    ".avi": (None, "mpeg4"), ".flv": (None, "flv"), ".m4v": ("mp4", "mpeg4"), ".mkv": (None, "mpeg4"),
    ".mov": (None, "mpeg4"), ".mp4": (None, "mpeg4"), ".mpeg": ("mpeg", "mpeg1video"), ".mpg": ("mpeg", "mpeg2video"),
    ".ts": ("mpegts", "mpeg2video"), ".webm": (None, "libvpx"), ".wmv": ("asf", "wmv2"),
}  # fmt: skip


@pytest.mark.parametrize("ending", sorted(VIDEOS))
def test_a_video_of_every_container_gives_its_frames_in_order(ending: str, tmp_path: Path) -> None:
    """Left red, above right blue, below right greener from frame to frame."""
    container, codec = CONTAINERS[ending]
    file = tmp_path / f"a{ending}"
    with av.open(str(file), "w", format=container) as out:
        stream = out.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 64, 48, "yuv420p", 2_000_000
        for t in range(12):
            image = np.zeros((48, 64, 3), np.uint8)
            image[:, :32, 0] = image[:24, 32:, 2] = 200
            image[24:, 32:, 1] = 20 * t
            out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        out.mux(stream.encode())
    total = count_frames(file)
    video, length = decode.decode_video(file, 6, total, 8)
    assert (total, length) == (12, 6)
    assert np.abs(video[:, 0, 0].astype(int) - [200, 0, 0]).max() < 30
    assert np.abs(video[:, 0, 7].astype(int) - [0, 0, 200]).max() < 30
    assert np.abs(video[:, 7, 7, 1].astype(int) - 20 * decode.sample_times(12, 6)).max() < 12


@pytest.mark.parametrize("frames", [8, 500])
def test_a_video_that_became_shorter_is_named(frames: int, film: Path, whole: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"a2_s1_t1_color\.avi: \d+ of \d+ sampled frames decoded"):
        decode.decode_video(film, frames, len(whole) + 20, SIZE)


def test_a_video_without_pictures_is_refused(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.avi"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
    with pytest.raises(ValueError, match="no video stream"):
        count_frames(tmp_path / "a.avi")


def test_a_signal_is_read_as_float32(recordings: Path) -> None:
    file = recordings / "Inertial" / "a1_s2_t1_inertial.mat"
    signal = inertial.read_mat(file)
    assert signal.dtype == np.float32
    np.testing.assert_array_equal(signal, loadmat(str(file))["d_iner"].astype(np.float32))


@pytest.mark.parametrize("samples", [50, 51, 80])
def test_a_signal_is_padded_with_zeros_after_its_end(samples: int) -> None:
    signal = np.random.default_rng(0).normal(size=(50, 6)).astype(np.float32)
    padded, length = inertial.pad_signal(signal, samples)
    assert padded.shape == (samples, 6) and padded.dtype == np.float32 and length == 50
    np.testing.assert_array_equal(padded[:50], signal)
    assert not padded[50:].any()


def test_a_signal_is_never_cut() -> None:
    with pytest.raises(ValueError, match=r"51 samples doesn't fit into 50"):
        inertial.pad_signal(np.zeros((51, 6), np.float32), 50)

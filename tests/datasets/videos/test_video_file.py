"""Which frames of a file are its film, when each is shown and how it is turned; what is noted, and what is refused."""

import io
import struct
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from datasets.files import sandbox
from datasets.videos import decode, mp4
from datasets.videos.containers import missing_bytes
from tests.support.recordings import films
from tests.support.recordings.films import (
    GROUPS,
    count_frames,
    decoded,
    film,
    greys,
    halves,
    levels,
    noise,
    notes,
    spoil,
)

RED, BLUE, GREEN = (200, 0, 0), (0, 0, 120), (0, 200, 0)


# What is red at the left as it is stored is shown there.
TURNS = {
    "a quarter clockwise": ((0, 1, -1, 0), lambda image: image[:4]),
    "a quarter back": ((0, -1, 1, 0), lambda image: image[-4:]),
    "half": ((-1, 0, 0, -1), lambda image: image[:, -4:]),
    "mirrored, as a front camera": ((-1, 0, 0, 1), lambda image: image[:, -4:]),
    "upside down": ((1, 0, 0, -1), lambda image: image[:, :4]),
    "not at all": ((1, 0, 0, 1), lambda image: image[:, :4]),
}


@pytest.mark.parametrize("crop", ["frame", "motion"])
@pytest.mark.parametrize("turn", TURNS)
def test_a_film_is_seen_as_it_is_shown(turn: str, crop: str, tmp_path: Path) -> None:
    matrix, where = TURNS[turn]
    file = films.set_matrix(film(tmp_path / "a.mp4", [halves(RED, BLUE)] * 6), *matrix)
    image = decoded(file, 2, 32, crop)[0]
    red, _, blue = where(image).mean(axis=(0, 1))
    assert red > 150 and blue < 60, "the red half"
    assert image.mean(axis=(0, 1))[2] > 40, "the blue half is there too"


def test_a_corner_stays_with_its_sides(tmp_path: Path) -> None:
    """A matrix that mirrors and turns is neither alone."""
    image = halves(RED, BLUE)
    image[:32, :48] = GREEN  # the upper left
    file = films.set_matrix(film(tmp_path / "a.mp4", [image] * 3), 0, 1, 1, 0)
    shown = decoded(file, 1, 32)[0]
    assert shown[4, 4, 1] > 150, "green stays at the corner through which x and y are exchanged"
    assert shown[4, -5, 0] > 150 and shown[-5, 4, 2] > 80


def test_frames_that_an_edit_list_hides_are_not_shown(tmp_path: Path) -> None:
    whole = film(tmp_path / "whole.mp4", greys(40), options={**GROUPS, "g": "1000"})
    file = films.cut_in_front(whole, 12, tmp_path / "cut.mp4")
    with av.open(str(file)) as opened:
        assert opened.streams.video[0].frames == 40
    assert count_frames(file) == mp4.read_header(file)[0] == 28
    assert min(levels(file)) > 5 * 12
    assert mp4.read_header(whole)[0] == 40


@pytest.mark.parametrize("how", [{}, {"bf": "3"}, {"bf": "0"}])
def test_a_header_whose_edit_list_hides_nothing_is_believed(
    how: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B-frames need an edit list; decoding MMAct to count its frames would take a day."""
    file = film(tmp_path / "a.mp4", greys(20), options=how)

    def examine(*given: object) -> None:
        raise AssertionError("was decoded")

    monkeypatch.setattr(sandbox, "examine", examine)
    assert mp4.read_header(file)[0] == 20


@pytest.mark.parametrize("how", ["frag_keyframe+empty_moov", "frag_every_frame+empty_moov", "faststart"])
def test_fragments_are_counted(how: str, tmp_path: Path) -> None:
    file = film(tmp_path / "a.mp4", greys(20), options=GROUPS, container={"movflags": how})
    assert count_frames(file) == mp4.read_header(file)[0] == len(levels(file, 64)) == 20


def test_a_live_recording_has_no_duration_and_is_read(tmp_path: Path) -> None:
    file = film(tmp_path / "a.mkv", greys(20), kind="matroska", container={"live": "1"})
    assert missing_bytes(file) == 0 and count_frames(file) == 20


def jpeg() -> bytes:
    picture = io.BytesIO()
    Image.new("RGB", (64, 64), GREEN).save(picture, "JPEG")
    return picture.getvalue()


def test_a_cover_is_no_film(tmp_path: Path) -> None:
    file = films.with_cover(film(tmp_path / "a.mp4", [halves(RED, RED)] * 24), jpeg(), tmp_path / "cover.mp4")
    assert count_frames(file) == mp4.read_header(file)[0] == 24
    red, green, _ = decoded(file).mean(axis=(0, 1, 2))
    assert red > 150 > 50 > green


def test_a_sound_file_with_a_cover_has_no_video(tmp_path: Path) -> None:
    song = films.with_cover(films.sound(tmp_path / "a.mp4"), jpeg(), tmp_path / "song.mp4")
    for read in (count_frames, mp4.read_header):
        with pytest.raises(ValueError, match="has no video stream"):
            read(song)


def test_of_two_films_the_one_that_players_show_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "two.mkv"
    with av.open(str(file), "w") as out:
        streams = [out.add_stream("ffv1", rate=10) for _ in range(2)]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        streams[0].disposition, streams[1].disposition = 0, av.stream.Disposition.default
        for stream, colour in zip(streams, (GREEN, RED), strict=True):
            for _ in range(5):
                out.mux(stream.encode(av.VideoFrame.from_ndarray(halves(colour, colour), "rgb24")))
            out.mux(stream.encode())
    assert count_frames(file) == 5
    assert decoded(file)[0, 8, 8, 0] > 150


def test_frames_that_a_camera_dropped_are_no_damage(tmp_path: Path) -> None:
    """The AVI's header counts them, and its chunks for them are empty."""
    pts = [*range(20), *range(25, 45)]
    file = film(tmp_path / "a.avi", greys(40), "ffv1", rate=15, pts=pts, base=Fraction(1, 15))
    assert count_frames(file) == 40 and notes(file) == {"fewer": "40 of 45"}
    # Of 45 fifteenths of a second 2 to 3 are the one before the gap's, which is shown until it ends.
    kept = [round((level - 10) / 5) for level in levels(file, 9)]
    assert kept == [2, 7, 12, 17, 19, 22, 27, 32, 37]


def test_a_header_that_counts_one_too_many_is_no_damage(tmp_path: Path) -> None:
    file = film(tmp_path / "a.avi", greys(40), "mpeg4", rate=15)
    content = bytearray(file.read_bytes())
    at = content.index(b"strh") + 8 + 32
    content[at : at + 4] = struct.pack("<I", 41)
    file.write_bytes(content)
    assert count_frames(file) == 40 and notes(file) == {"fewer": "40 of 41"}


@pytest.mark.parametrize("ending", [".avi", ".mp4", ".mkv", ".webm"])
def test_a_file_that_is_cut_off_is_named(ending: str, tmp_path: Path) -> None:
    codec = {".avi": "mpeg4", ".webm": "libvpx"}.get(ending, "libx264")
    file = film(tmp_path / f"a{ending}", noise(40), codec, container={"movflags": "faststart"})
    content = file.read_bytes()
    assert missing_bytes(file) == 0
    file.write_bytes(content[: len(content) * 6 // 10])
    assert missing_bytes(file) > 1000
    with pytest.raises(ValueError, match=r"is cut off: .*bytes are missing at its end"):
        count_frames(file)


def test_an_avi_that_only_lacks_its_index_is_read(tmp_path: Path) -> None:
    file = film(tmp_path / "a.avi", greys(40), "mpeg4")
    content = file.read_bytes()
    file.write_bytes(content[: content.index(b"idx1") - 4])
    assert missing_bytes(file) > 0 and count_frames(file) == 40


def test_a_spoilt_packet_leaves_the_other_frames(tmp_path: Path) -> None:
    file = spoil(film(tmp_path / "a.mp4", noise(36), options=GROUPS), range(20, 21))
    assert count_frames(file) == 35 and notes(file) == {"lost": "1 of 36"}
    assert len(decoded(file, 64)) == 35
    told: list[Mapping[str, str]] = []
    _, length = decode.decode_video(file, 8, 36, 16, note=told.append)  # as MMAct's scan counts, by the header
    assert length == 8 and told == [{"lost": "1 of 36"}]


def test_more_than_a_few_spoilt_packets_are_counted_and_refused(tmp_path: Path) -> None:
    file = spoil(film(tmp_path / "a.mp4", noise(36), options=GROUPS), range(20, 24))
    with pytest.raises(ValueError, match=r"is damaged: 4 of its 36 packets can't be decoded .*more than 10%"):
        count_frames(file)
    with pytest.raises(ValueError, match=r"a\.mp4: is damaged: 4 of its 36 packets"):
        decode.decode_video(file, 8, 36, 16)


def test_frames_that_build_on_a_spoilt_one_are_counted_with_it(tmp_path: Path) -> None:
    """A decoder leaves them out until the next key frame, and raises one error only."""
    file = spoil(film(tmp_path / "a.mp4", noise(60), options={**GROUPS, "g": "30"}), range(1))
    with pytest.raises(ValueError, match=r"is damaged: 30 of its 60 packets can't be decoded"):
        count_frames(file)


def test_a_film_that_is_shorter_than_its_header_says_is_noted(tmp_path: Path) -> None:
    """FFmpeg passes over all of a Matroska cluster whose first block can't be read, without a word."""
    file = spoil(film(tmp_path / "a.mkv", noise(60), options={**GROUPS, "g": "30"}), range(1))
    assert notes(file) == {"fewer": "1 of 2 s"}


def test_a_scan_that_believed_a_header_is_told_by_the_shards(tmp_path: Path) -> None:
    """MMAct's: what its header counts and isn't there is noted; what another scan decoded must be there."""
    pts = [*range(20), *range(25, 45)]
    file = film(tmp_path / "a.avi", greys(40), "mpeg4", rate=15, pts=pts, base=Fraction(1, 15))
    told: list[Mapping[str, str]] = []
    _, length = decode.decode_video(file, 64, 45, 16, note=told.append)
    assert length == 40 and told == [{"fewer": "40 of 45"}]
    for other in (39, 41, 44):
        with pytest.raises(ValueError, match=r"40 of .* in all; it is damaged, or changed while in use"):
            decode.decode_video(file, 8, other, 16)


def test_what_lies_behind_an_mp4s_boxes_is_no_matter(tmp_path: Path) -> None:
    file = film(tmp_path / "a.mp4", greys(20))
    file.write_bytes(file.read_bytes() + b"recorded by my script, 2026-11-25\n")
    assert missing_bytes(file) == 0 and mp4.read_header(file)[0] == count_frames(file) == 20


def test_boxes_of_64_bit_length_are_read(tmp_path: Path) -> None:
    content = film(tmp_path / "a.mp4", greys(20)).read_bytes()
    wide = b""
    for part in films.boxes(content):
        wide += part if part[4:8] != b"moov" else struct.pack(">I4sQ", 1, b"moov", len(part) + 8) + part[8:]
    (tmp_path / "a.mp4").write_bytes(wide)
    assert mp4.read_header(tmp_path / "a.mp4")[0] == count_frames(tmp_path / "a.mp4") == 20


def test_a_stream_that_begins_between_key_frames_is_read_from_the_first(tmp_path: Path) -> None:
    whole = film(tmp_path / "whole.ts", noise(36), kind="mpegts", options=GROUPS).read_bytes()
    file = tmp_path / "tapped.ts"
    file.write_bytes(whole[188 * (len(whole) // 188 // 8) :])
    assert count_frames(file) == len(decoded(file, 64)) == 24
    assert list(notes(file)) == ["fewer"]


def depth(file: Path, near: int, far: int, kind: str = "gray16le") -> Path:
    image = np.full((64, 96), near, np.uint16)
    image[:, 48:] = far
    return film(file, [av.VideoFrame.from_ndarray(image, kind)] * 4, "ffv1", kind)


def test_16_bit_grey_is_depth_in_millimetres(tmp_path: Path) -> None:
    file = depth(tmp_path / "a.mkv", 1000, 3000)
    assert list(notes(file)) == ["depth"]
    image = decoded(file, 1, 32)[0]
    assert image[16, 6].tolist() == [255 - 1000 * 255 // 8192] * 3 == [224] * 3
    assert image[16, 26].tolist() == [255 - 3000 * 255 // 8192] * 3 == [162] * 3
    assert decoded(depth(tmp_path / "b.mkv", 0, 500), 1, 32)[0, 16, 6].tolist() == [0, 0, 0], "not measured"


def test_16_bit_grey_that_is_no_depth_is_refused(tmp_path: Path) -> None:
    for near, far in ((20_000, 60_000), (0, 0)):
        with pytest.raises(ValueError, match=r"is 16-bit grey, .*Write it as 8-bit grey"):
            count_frames(depth(tmp_path / "a.mkv", near, far))


def test_frames_of_two_sizes_are_scaled_to_one(tmp_path: Path) -> None:
    """As a browser records a connection that gets worse."""
    parts = []
    for i, size in enumerate([(64, 96), (128, 192)]):
        part = film(tmp_path / f"{i}.ts", [halves(RED, BLUE, size)] * 5, kind="mpegts", pts=None)
        parts.append(part.read_bytes())
    file = tmp_path / "both.ts"
    file.write_bytes(b"".join(parts))
    assert notes(file).get("size") == "96x64, 192x128"
    for crop in ("frame", "motion"):
        shown = decoded(file, 10, 32, crop)
        assert len(shown) == 10 and (shown[:, 16, 2, 0] > 150).all()


def test_high_dynamic_range_and_slow_motion_are_noted(tmp_path: Path) -> None:
    def hlg(context: object) -> None:
        context.color_trc, context.color_primaries, context.colorspace = 18, 9, 9  # pyright: ignore

    assert list(notes(film(tmp_path / "hdr.mp4", greys(6), tune=hlg))) == ["hdr"]
    how = {"tags": {"com.android.capture.fps": "240.000000"}, "container": {"movflags": "use_metadata_tags"}}
    assert notes(film(tmp_path / "slow.mp4", greys(6), **how)) == {"slow": "240 and 30 Hz"}
    assert notes(film(tmp_path / "plain.mp4", greys(6))) == {}


def test_the_crop_to_what_moves_has_square_pixels(tmp_path: Path) -> None:
    """Stored 160x240, shown three times as wide: a square that is stored 20 wide and 60 high."""
    images = []
    for t in range(10):
        image = np.full((240, 160, 3), 20, np.uint8)
        image[60 + 6 * t : 120 + 6 * t, 40 + 2 * t : 60 + 2 * t] = 230
        images.append(image)

    def wide(context: object) -> None:
        context.sample_aspect_ratio = Fraction(3, 1)  # pyright: ignore[reportAttributeAccessIssue]

    bright = decoded(film(tmp_path / "a.mp4", images, tune=wide), 10, 64, "motion")[5].mean(axis=2) > 120
    high, across = bright.any(axis=1).sum(), bright.any(axis=0).sum()
    assert high > 10 and 0.8 < across / high < 1.25

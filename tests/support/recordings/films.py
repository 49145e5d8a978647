"""Small films as cameras, phones and converters write them."""

import struct
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext

from datasets.videos import decode, video_file

SIZE = (48, 64)
# Frames that depend on the one before, in groups of 12.
GROUPS = {"g": "12", "keyint_min": "12", "sc_threshold": "0", "bf": "0"}


def count_frames(file: Path, seconds: float = video_file.MAX_SECONDS) -> int:
    """Decode every frame, convert none. Raises ValueError when the file is no video or is cut off."""
    return len(video_file.examine(file, seconds).stamps)


def greys(count: int, step: int = 5) -> list[np.ndarray]:
    """Frames whose brightness tells their number."""
    return [np.full((*SIZE, 3), step * i + 10, np.uint8) for i in range(count)]


def noise(count: int) -> list[np.ndarray]:
    draw = np.random.default_rng(0)
    return [draw.integers(0, 255, (*SIZE, 3), np.uint8) for _ in range(count)]


def film(
    file: Path, images: Sequence[np.ndarray | av.VideoFrame], codec: str = "libx264", pix_fmt: str = "yuv420p",
    rate: int = 30, kind: str | None = None, options: dict | None = None, container: dict | None = None,
    pts: Sequence[int] | None = None, base: Fraction = Fraction(1, 1000), tags: dict | None = None,
    tune: Callable[[VideoCodecContext], object] = lambda context: None,
) -> Path:  # fmt: skip
    """Encodes RGB arrays or frames; `pts` in units of `base`."""
    with av.open(str(file), "w", format=kind, options=container or {}) as out:
        out.metadata.update(tags or {})
        stream = out.add_stream(codec, rate=rate, options=options or {})
        first = images[0]
        stream.width, stream.height = (
            (first.width, first.height) if isinstance(first, av.VideoFrame) else first.shape[1::-1]
        )
        stream.pix_fmt = pix_fmt
        if pts is not None:
            stream.codec_context.time_base = base
        tune(stream.codec_context)
        for i, image in enumerate(images):
            frame = image if isinstance(image, av.VideoFrame) else av.VideoFrame.from_ndarray(image, "rgb24")
            if pts is not None:
                frame.pts, frame.time_base = pts[i], base
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return file


def halves(left: Sequence[int], right: Sequence[int], shape: tuple[int, int] = (64, 96)) -> np.ndarray:
    """An RGB picture of two colours side by side."""
    image = np.zeros((*shape, 3), np.uint8)
    image[:, : shape[1] // 2], image[:, shape[1] // 2 :] = left, right
    return image


def set_matrix(file: Path, a: float, b: float, c: float, d: float) -> Path:
    """The display matrix of an MP4's film, as a turned phone writes it: (x, y) is shown at (ax + cy, bx + dy)."""
    content = bytearray(file.read_bytes())
    at = content.rindex(b"tkhd") - 4
    at += 48 if content[at + 8] == 0 else 60
    fixed = [round(0x10000 * value) for value in (a, b, 0, c, d, 0)]
    content[at : at + 36] = struct.pack(">9i", *fixed, 0, 0, 0x40000000)
    file.write_bytes(content)
    return file


def cut_in_front(file: Path, hidden: int, to: Path, rate: int = 30) -> Path:
    """What `ffmpeg -ss ... -c copy` writes: the first frames stay in the file, and an edit list hides them."""
    with av.open(str(file)) as source, av.open(str(to), "w") as out:
        stream = source.streams.video[0]
        copy = out.add_stream_from_template(stream)
        step = round(Fraction(1, rate) / (stream.time_base or Fraction(1)))
        for packet in source.demux(stream):
            if packet.dts is None or packet.pts is None:
                continue
            packet.pts -= hidden * step
            packet.dts -= hidden * step
            packet.stream = copy
            out.mux(packet)
    return to


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def boxes(content: bytes) -> Iterator[bytes]:
    at = 0
    while at + 8 <= len(content):
        size = int.from_bytes(content[at : at + 4], "big")
        yield content[at : at + size]
        at += size


def with_cover(file: Path, picture: bytes, to: Path) -> Path:
    """A JPEG among an MP4's tags, before its first track, as taggers leave it."""
    data = box(b"data", struct.pack(">II", 13, 0) + picture)
    handler = box(b"hdlr", bytes(8) + b"mdirappl" + bytes(9))
    tags = box(b"udta", box(b"meta", bytes(4) + handler + box(b"ilst", box(b"covr", data))))
    out = b""
    for part in boxes(file.read_bytes()):
        if part[4:8] == b"moov":
            part = box(b"moov", b"".join(p + (tags if p[4:8] == b"mvhd" else b"") for p in boxes(part[8:])))
        out += part
    to.write_bytes(out)
    return to


def sound(file: Path) -> Path:
    with av.open(str(file), "w") as out:
        stream = out.add_stream("aac", rate=44100)
        stream.layout = "mono"
        for i in range(20):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 44100, 1024 * i
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return file


def spoil(file: Path, packets: range) -> Path:
    """Overwrites these packets of a film."""
    with av.open(str(file)) as opened:
        places = [(p.pos, p.size) for p in opened.demux(opened.streams.video[0]) if p.size]
    content = bytearray(file.read_bytes())
    for at, size in places[packets.start : packets.stop]:
        assert at is not None
        content[at : at + min(size, 64)] = b"\xff" * min(size, 64)
    file.write_bytes(content)
    return file


def decoded(file: Path, frames: int = 8, size: int = 16, crop: str = "frame") -> np.ndarray:
    shown, length = decode.decode_video(file, frames, count_frames(file), size, crop)
    return shown[:length].astype(float)


def levels(file: Path, frames: int = 8) -> list[float]:
    """The brightness of each frame that is kept."""
    return decoded(file, frames).mean(axis=(1, 2, 3)).tolist()


def notes(file: Path) -> dict[str, str]:
    return video_file.examine(file).notes

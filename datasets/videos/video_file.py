"""Videos: which stream of a file is the film, which frames of it are shown, when, and how they are turned.

Whatever reads a video reads it here: the scan, MMAct's where a header doesn't tell, shards, predict.py and the server.
Recordings come from anywhere: what a file asks for is bounded before it is given, in bytes, pixels, frames and seconds.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.sidedata.sidedata import Type
from av.stream import Disposition
from av.video.stream import VideoStream

from datasets.files.file_type import mistaken
from datasets.files.sandbox import Found
from datasets.videos import timing
from datasets.videos.containers import missing_bytes

# A recording of the corpora here is at most 1920x1080, some minutes long. A decoder holds some 20 frames at once, so
# these keep it below 1 GB.
MAX_PIXELS = 4096 * 2304
MAX_SIDE = 8192
MAX_FRAMES = 200_000
MAX_ASPECT = 4.0  # of a pixel's width to its height, or the other way; what says more is wrong
SUMMARY = "datasets.videos.video_file:summary"
MAX_SECONDS = 300.0  # of one file, all of it decoded
# The largest share of a film's packets that may be undecodable; the frames of the others are read.
MAX_LOST = 0.1
# As what a file may be opened: not as a playlist, which would open other files and addresses.
FORMATS = "avi,mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpeg,mpegts,asf,flv"
# How files of these are named.
VIDEOS = frozenset(".avi .flv .m4v .mkv .mov .mp4 .mpeg .mpg .ts .webm .wmv".split())
# A sound file's cover, the pictures of a film's chapters, a camera's depth or alpha beside the film.
NO_FILM = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.dependent
HDR_TRANSFERS = (16, 18)  # PQ and HLG, in ITU-T H.273
# 16-bit grey is a depth camera's, in millimetres: 0 is not measured and black, what is nearer is brighter.
DEPTH_MM = 8192
DEPTH_FORMATS = ("gray16le", "gray16be")

# What a reader of results should know of a file that is read all the same, by kind.
NOTES = {
    "jump": f"time stamps jump by more than {timing.JUMP_SECONDS:g} s, which is taken for an ordinary gap",
    "size": "frames change their size, and are all scaled to the same one",
    "hdr": "high dynamic range (HLG or PQ) is read as if it were none, so that it is darker than on a screen",
    "slow": "slow motion: recorded at a higher rate than it is shown at, so that it lasts longer than its signal",
    "lost": "packets that can't be decoded are left out, the other frames are read",
    "fewer": "the header counts more frames than there are, which are read; cameras drop frames, edit lists hide some",
    "depth": f"16-bit grey is read as depth: near is bright, black is {DEPTH_MM} mm and beyond, and 0, not measured",
}


class Film:
    """One pass over a file's film: its frames in the order in which they are shown, and what was found on the way."""

    def __init__(self, container: InputContainer, seconds: float = MAX_SECONDS):
        self.container, self.stream, self.seconds = container, _film_of(container), seconds
        # What the header says, for it is gone when the file is closed.
        self.promised, self.rate = self.stream.frames, float(self.stream.average_rate or 0)
        self.time_base = float(self.stream.time_base or 1)
        aspect = float(self.stream.sample_aspect_ratio or 1)
        self.aspect = aspect if 1 / MAX_ASPECT <= aspect <= MAX_ASPECT else 1.0
        self.promised_seconds = _duration(container, self.stream)
        self.recorded_rate = _number(container.metadata.get("com.android.capture.fps", "0"))
        self.packets = self.hidden = self.failed = 0
        self.stamps: list[int | None] = []  # of each frame so far, in units of the stream's time base
        self.last_duration = 0
        self.sizes: set[tuple[int, int]] = set()
        self.transfer = 0
        self.depth = False
        self.depth_beyond = self.depth_measured = 0
        self.why = ""  # the first packet that was lost was so

    def __iter__(self) -> Iterator[av.VideoFrame]:
        self.stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
        began = time.monotonic()
        # By packet: one that gives no frame is looked at too, and there may be millions of them.
        for packet in self.container.demux(self.stream):
            if time.monotonic() - began > self.seconds:
                raise ValueError(f"takes more than {self.seconds:g} s to decode")
            self.packets += packet.size > 0
            self.hidden += packet.is_discard
            for frame in self._decoded(packet):
                self._look_at(frame)
                yield frame
        self._check_end()

    def _decoded(self, packet: av.Packet) -> Sequence[av.VideoFrame]:
        try:
            return packet.decode()  # pyright: ignore[reportReturnType]
        except FFmpegError as error:
            if isinstance(error, MemoryError):
                raise
            self.why = self.why or error.strerror
            self.failed += 1
            return ()

    @property
    def lost(self) -> int:
        """Packets that can't be decoded, and those whose frames a decoder leaves out, as they build on such a one."""
        if not self.failed:
            return 0
        return max(self.failed, (self.promised or self.packets) - self.hidden - len(self.stamps))

    def _look_at(self, frame: av.VideoFrame) -> None:
        if (size := (frame.width, frame.height)) not in self.sizes:
            if max(size) > MAX_SIDE:
                raise ValueError(f"has frames of {size[0]}x{size[1]}, more than {MAX_SIDE} on a side")
            self.sizes.add(size)
        if len(self.stamps) == MAX_FRAMES:
            raise ValueError(f"has more than {MAX_FRAMES} frames")
        self.stamps.append(frame.pts)
        self.last_duration = frame.duration or 0
        self.transfer = frame.color_trc
        if frame.format.name in DEPTH_FORMATS:
            self._look_at_depth(frame)

    def _look_at_depth(self, frame: av.VideoFrame) -> None:
        self.depth = True
        some = frame.to_ndarray()[::8, ::8]
        self.depth_measured += int((some > 0).sum())
        self.depth_beyond += int((some >= DEPTH_MM).sum())

    def _check_end(self) -> None:
        """Raises ValueError where what was decoded can't stand for the film."""
        shown, promised = len(self.stamps), self.promised
        # Of most containers nothing but their length tells that the end is missing. What an index counts and what is
        # decoded may be all there is: then only the index itself, behind the frames, was cut off.
        if (self.lost or not promised or shown < promised) and (missing := _missing(Path(self.container.name))):
            of = f"its header says {promised} frames, {shown}" if promised else str(shown)
            raise ValueError(f"is cut off: {of} can be decoded, {missing} bytes are missing at its end")
        if not self.stamps:
            why = f" ({self.why})" if self.why else ""
            raise ValueError(f"is no video that can be decoded{why}" if why else "has no frame that can be decoded")
        if self.lost > MAX_LOST * max(self.packets, self.promised):
            raise ValueError(
                f"is damaged: {self.lost} of its {self.packets} packets can't be decoded ({self.why}), more than"
                f" {MAX_LOST:.0%}"
            )
        if self.depth and 2 * (self.depth_measured - self.depth_beyond) <= self.depth_measured:
            raise ValueError(
                "is 16-bit grey, which is read as depth in millimetres, and most of it is 0 or lies beyond"
                f" {DEPTH_MM}: it would be black. Write it as 8-bit grey, scaled as you mean it"
            )

    @property
    def notes(self) -> dict[str, str]:
        """By kind, after the last frame."""
        found, shown, jumps = {}, len(self.stamps), timing.gaps(self.stamps, self.time_base)[1]
        if self.lost:
            found["lost"] = f"{self.lost} of {self.packets}"
        if shown + self.lost < self.promised:
            found["fewer"] = f"{shown} of {self.promised}"
        elif not self.promised and shown + self.lost < (1 - MAX_LOST) * self.packets:
            # As a stream that was tapped between key frames; some codecs have a few packets that show nothing.
            found["fewer"] = f"{shown} frames of {self.packets} packets"
        elif not self.promised and not jumps and 0 < self.seconds_shown < (1 - MAX_LOST) * self.promised_seconds:
            found["fewer"] = f"{self.seconds_shown:.3g} of {self.promised_seconds:.3g} s"
        if self.depth:
            found["depth"] = ""
        if len(self.sizes) > 1:
            found["size"] = ", ".join(f"{width}x{height}" for width, height in sorted(self.sizes))
        if self.transfer in HDR_TRANSFERS:
            found["hdr"] = ""
        if jumps:
            found["jump"] = ""
        if self.rate and self.recorded_rate > 1.5 * self.rate:
            found["slow"] = f"{self.recorded_rate:g} and {self.rate:.3g} Hz"
        return found

    @property
    def seconds_shown(self) -> float:
        """After the last frame; 0 where no time stamp says it."""
        return timing.seconds_shown(self.stamps, self.time_base)

    def sampled(self, wanted: int) -> np.ndarray:
        """Which frames are kept, by number, after the last frame."""
        return timing.sampled(self.stamps, wanted, self.time_base, self.last_duration)


def _duration(container: InputContainer, film: VideoStream) -> float:
    """Seconds that the header says the film lasts, 0 where it doesn't; of a sound beside it that would be another's."""
    if film.duration:
        return float(film.duration * (film.time_base or 0))
    return (container.duration or 0) / 1e6 if len(container.streams) == 1 else 0.0


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _film_of(container: InputContainer) -> VideoStream:
    """Of several films the one that a player takes unless it is told otherwise."""
    films = [stream for stream in container.streams.video if not stream.disposition & NO_FILM]
    if not films:
        raise ValueError("has no video stream")
    film = next((stream for stream in films if stream.disposition & Disposition.default), films[0])
    if film.codec_context is None:
        raise ValueError("names no codec of its video")
    return film


@contextmanager
def opened(file: Path, seconds: float = MAX_SECONDS) -> Iterator[Film]:
    """The film of a file. Raises ValueError where it can't be decoded, is cut off, or is beyond a bound."""
    check_regular(file)
    options = {"max_pixels": str(MAX_PIXELS), "format_whitelist": FORMATS, "protocol_whitelist": "file"}
    try:
        with av.open(str(file), options=options, timeout=seconds) as container:
            yield Film(container, seconds)
    except (FFmpegError, IndexError, MemoryError, OverflowError) as error:
        if other := mistaken(file):
            raise ValueError(other) from None
        if missing := _missing(file):
            raise ValueError(f"is cut off: {missing} bytes are missing at its end") from None
        if isinstance(error, MemoryError):
            raise ValueError("takes more memory to decode than its process may have") from None
        if isinstance(error, PermissionError):
            raise ValueError(f"can't be read ({error.strerror})") from None
        raise ValueError(f"is no video that can be decoded ({getattr(error, 'strerror', None) or error})") from None


def check_regular(file: Path) -> None:
    """A pipe would be waited for, for ever. Raises ValueError."""
    if file.exists() and not file.is_file():
        raise ValueError("is no regular file")


def examine(file: Path, seconds: float = MAX_SECONDS) -> Film:
    """The film of a file after its last frame; decodes all, converts none. ValueError as of `opened`."""
    with opened(file, seconds) as film:
        for _ in film:
            pass
        return film


def summary(file: Path) -> Found:
    """Of a film that can be decoded to its end, by `sandbox.examine(SUMMARY, file)`."""
    film = examine(file)
    return Found(len(film.stamps), film.notes, film.seconds_shown)


def _missing(file: Path) -> int:
    try:
        return missing_bytes(file)
    except (ValueError, OSError):
        return 0


def turned(image: np.ndarray, frame: av.VideoFrame) -> np.ndarray:
    """An image (H, W, C) of a frame as it is shown: by its display matrix, to the nearest quarter turn."""
    matrix = frame.side_data.get(Type.DISPLAYMATRIX)  # pyright: ignore
    if matrix is None:
        return image
    right_x, right_y, _, down_x, down_y = np.frombuffer(matrix, np.int32)[:5].astype(np.int64).tolist()  # pyright: ignore
    if abs(right_y) + abs(down_x) > abs(right_x) + abs(down_y):
        image, right_x, down_y = image.transpose(1, 0, 2), down_x, right_y
    image = image[:, ::-1] if right_x < 0 else image
    return image[::-1] if down_y < 0 else image

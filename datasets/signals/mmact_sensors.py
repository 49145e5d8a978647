"""MMAct's inertial recordings: a CSV file a sensor, to one array of 12 channels.

Acceleration of the phone (right trouser pocket) and of the watch (right hand) in m/s^2 at 100 Hz, gyroscope and
orientation (azimuth, pitch, roll) of the phone at 50 Hz, in the units they were recorded in: the release states none.
S samples.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from datasets.files.file_type import mistaken
from datasets.signals import dialect
from datasets.signals.inertial import read_bounded

SENSORS: tuple[str, ...] = ("acc_phone", "acc_watch", "gyro", "orientation")
CHANNELS = 3 * len(SENSORS)
COLUMNS = ["time", "x", "y", "z"]
# A line of names; of the orientation the axes may be azimuth, pitch and roll.
NAMES = re.compile(rb'"?time"?(?:,[^,]*){3}', re.IGNORECASE)
AXES = (["x", "y", "z"], ["azimuth", "pitch", "roll"])
STAMP = r"^(\d{4})(\d\d)(\d\d)_(\d\d:\d\d:\d\d(?:\.\d{1,9})?)$"

MAX_SECONDS = 3600  # of a recording; the release has seconds

Samples = tuple[np.ndarray, np.ndarray]  # time stamps (S,) int64 in ns, values (S, 3) float32
NONE: Samples = (np.zeros(0, np.int64), np.zeros((0, 3), np.float32))


def parse(content: bytes) -> Samples:
    """Rows of time,x,y,z in the order of the file, with a line of names above them or without; none of an empty file.

    Stamps are local time, 20181016_13:37:28.612000, now and then without the fraction; they repeat and step back.
    Raises ValueError for anything else.
    """
    content, above = _rows(content)
    return _of_one_recording(_parsed(content, above), above)


def _parsed(content: bytes, above: int) -> Samples:
    if not content:
        return NONE
    try:
        rows = pyarrow.csv.read_csv(
            pa.BufferReader(content),
            pyarrow.csv.ReadOptions(use_threads=False, column_names=COLUMNS, block_size=len(content) + 1),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types={"time": pa.string(), **dict.fromkeys(COLUMNS[1:], pa.float32())}, null_values=[]
            ),
        )
    except pa.ArrowInvalid as error:
        fault = re.sub(r"Row #(\d+)", lambda row: f"Row #{int(row[1]) + above}", str(error).splitlines()[0])
        raise ValueError(f"is no CSV of time,x,y,z ({fault})") from None
    values = np.stack([rows[name].to_numpy() for name in COLUMNS[1:]], axis=1)
    if not np.isfinite(values).all():
        raise ValueError(f"has {int((~np.isfinite(values)).sum())} values that are NaN or infinite")
    return _stamps(rows["time"]), values


def _of_one_recording(samples: Samples, above: int = 0) -> Samples:
    """The same samples. Raises ValueError where one wild stamp would make a time axis of years; `above` as in _rows."""
    time, _ = samples
    if len(time) and (length := np.ptp(time) / 1e9) > MAX_SECONDS:
        row = int(np.argmax(np.abs(time - np.median(time))))
        raise ValueError(
            f"has time stamps that are {length:.0f} s apart, and a recording lasts at most {MAX_SECONDS} s: see row"
            f" {row + above + 1}, {np.datetime64(int(time[row]), 'ns')}"
        )
    return samples


def _rows(content: bytes) -> tuple[bytes, int]:
    """The rows, none or with an end to the last line, and how many lines stand above them: names, empty ones.

    Raises ValueError for a first line that is neither a row nor names.
    """
    content = body = _with_commas(content)
    if not content[:1].isdigit():
        body = content.removeprefix(b"\xef\xbb\xbf").lstrip()
        first, _, below = body.partition(b"\n")
        if NAMES.fullmatch(first.strip()):
            _check_names(first)
            body = below
        elif first and not first[:1].isdigit():
            begins = first[:40].decode(errors="replace").strip()
            raise ValueError(f"is no CSV of time,x,y,z: it begins with {begins!r}, neither a row nor names of columns")
    above = content.count(b"\n") - body.count(b"\n") if body is not content else 0
    body = body if body.endswith(b"\n") else body + b"\n"
    return body if body.strip() else b"", above


def _check_names(line: bytes) -> None:
    """Raises ValueError for axes in another order, or in a unit that isn't MMAct's. Other names say nothing."""
    names = [name.strip(" \"'").lower() for name in line.decode(errors="replace").strip().split(",")[1:]]
    plain = [dialect.UNIT.sub("", name).strip() for name in names]
    if any(sorted(plain) == sorted(axes) and plain != axes for axes in AXES):
        raise ValueError(f"has the columns time, {', '.join(plain)}: write them as time, {', '.join(sorted(plain))}")
    units = [found[1].strip() for name in names if (found := dialect.UNIT.search(name))]
    if "g" in units:
        raise ValueError(
            "says that its values are in g, and MMAct's acceleration is in m/s^2: multiply them by 9.80665"
        )


def _with_commas(content: bytes) -> bytes:
    """The columns divided by commas. Raises ValueError for UTF-16 and for decimal commas."""
    dialect.check_text(content)
    if content.count(b"\r") != content.count(b"\r\n"):
        content = dialect.with_newlines(content)
    first = content[:256].split(b"\n", 1)[0]
    for by in (b";", b"\t"):
        if by in first:
            if b"," in content:
                raise ValueError("has both commas and semicolons or tabs: write its numbers with decimal points")
            return content.replace(by, b",")
    return content


def parse_all(contents: Sequence[bytes]) -> list[Samples | ValueError]:
    """`parse` of many files, as one where all are whole; in the place of a bad file its error.

    Reading 36,000 short files one by one is half of what reading MMAct takes.
    """
    if not contents:
        return []
    try:
        bodies = [_rows(content)[0] for content in contents]
        if any(b"\n\n" in body or b"\n\r\n" in body for body in bodies):
            raise ValueError("empty lines between rows, which are none")
        counts = [body.count(b"\n") for body in bodies]
        time, values = _parsed(b"".join(bodies), 0)
        if len(time) == sum(counts):
            ends = np.cumsum(counts)[:-1]
            parts = zip(np.split(time, ends), np.split(values, ends), strict=True)
            return [_of_one_recording(part) for part in parts]
    except ValueError:
        pass
    return [_parsed_or_error(content) for content in contents]


def _parsed_or_error(content: bytes) -> Samples | ValueError:
    try:
        return parse(content)
    except ValueError as error:
        return error


def _stamps(text: pa.ChunkedArray) -> np.ndarray:
    iso = pc.replace_substring_regex(text, STAMP, r"\1-\2-\3 \4")  # pyright: ignore[reportAttributeAccessIssue]
    wrong = text.filter(pc.equal(iso, text))  # pyright: ignore[reportAttributeAccessIssue]
    if len(wrong):
        raise ValueError(f"has a time stamp that isn't of the form 20181016_13:37:28.612000: {wrong[0].as_py()!r}")
    try:
        return iso.cast(pa.timestamp("ns")).to_numpy().astype(np.int64)
    except pa.ArrowInvalid as error:
        raise ValueError(f"has a time stamp of no such day or time ({error})") from None


def span(sensors: Sequence[Samples]) -> float:
    """Seconds from the first stamp of any sensor to the last of any."""
    stamps = [time for time, _ in _together(sensors) if len(time)]
    return (max(int(time.max()) for time in stamps) - min(int(time.min()) for time in stamps)) / 1e9 if stamps else 0.0


def read(files: Sequence[Path | None], rate: int | None = None) -> np.ndarray:
    """(S, 12) float32 of the sensors' files; NaN where a sensor has no sample, which becomes padding in the network.

    Without `rate` each sensor's samples follow one another at its own rate, as the paper does: sample 100 is
    second 1 of the acceleration and second 2 of the gyroscope. Rows count as they stand in the file: their
    number fits the rate, their stamps jitter by tens of milliseconds. With `rate` (Hz) sample i is of the same moment
    in all channels, by time stamp. Without any sample it is one sample of padding. Raises ValueError naming a file.
    """
    sensors = [_named(file) if file else NONE for file in files]
    if rate:
        sensors = _resampled(sensors, rate)
    out = np.full((max(1, *(len(values) for _, values in sensors)), 3 * len(sensors)), np.nan, np.float32)
    for i, (_, values) in enumerate(sensors):
        out[: len(values), 3 * i : 3 * i + 3] = values
    return out


def _named(file: Path) -> Samples:
    try:
        return parse(read_bounded(file))
    except OSError as error:
        why = mistaken(file) or f"can't be read ({error.strerror})"
        raise ValueError(f"{file}: {why}") from None
    except ValueError as error:
        raise ValueError(f"{file}: {mistaken(file) or error}") from None


def _resampled(sensors: Sequence[Samples], rate: int) -> list[Samples]:
    """All on one time axis: interpolated linearly, of the orientation the nearest, as angles jump from 360 to 0."""
    sensors = _together(sensors)
    start = min((int(time.min()) for time, _ in sensors if len(time)), default=0)
    at = np.arange(int(span(sensors) * rate) + 1) / rate
    out = []
    for name, (time, values) in zip(SENSORS, sensors, strict=True):
        made = np.full((len(at), 3), np.nan, np.float32)
        if len(time):
            seconds, first = np.unique((time - start) / 1e9, return_index=True)  # sorted, the first of equal stamps
            values = values[first]
            inside = (at >= seconds[0]) & (at <= seconds[-1])
            if name == "orientation":
                after = np.searchsorted(seconds, at[inside])
                before = np.maximum(after - 1, 0)
                nearer = at[inside] - seconds[before] < seconds[after] - at[inside]
                made[inside] = values[np.where(nearer, before, after)]
            else:
                made[inside] = np.stack([np.interp(at[inside], seconds, axis) for axis in values.T], axis=1)
        out.append((time, made))
    return out


def _together(sensors: Sequence[Samples]) -> list[Samples]:
    """A sensor whose stamps don't overlap the longest one's had a clock of its own: it starts where that one does."""
    length = [int(np.ptp(time)) if len(time) else -1 for time, _ in sensors]
    reference = sensors[int(np.argmax(length))][0]
    return [
        (time, values)
        if not len(time) or (time.min() <= reference.max() and time.max() >= reference.min())
        else (time - time.min() + reference.min(), values)
        for time, values in sensors
    ]

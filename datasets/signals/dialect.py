"""CSV files as loggers, phones and spreadsheets write them: named columns of numbers, in any order.

A file that can only mean one thing is read: with a byte order mark, any line ends, commas, semicolons or tabs, with
names in capitals or quotes or with blanks around them, with units in names where they are the ones that are meant,
with comments above the names, and with further columns (an index, a time). Any other is refused, in words that say what
was found and how to write it.
"""

import csv
import re
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.csv

SEPARATORS = ",;\t"
# As people write the units that are meant, in brackets behind a name.
SPELLINGS = {"g": ("g", "G"), "deg/s": ("deg/s", "°/s", "dps", "deg/sec", "deg s-1", "degrees/s")}
UNIT = re.compile(r"[\[(]([^\[\]()]*)[\])]$")
# Above the names: empty lines, comments, and the separator as spreadsheets say it.
ABOVE = re.compile(r"(#.*|\"?sep=.\"?)?", re.IGNORECASE)
MAX_HEADER = 64 << 10  # characters of the line of names
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")


def read_columns(content: bytes, units: Mapping[str, str]) -> np.ndarray:
    """(S, C) float64: the columns that `units` names, with the unit that each is meant to be in, in that order.

    Raises ValueError for what can't be read or is ambiguous, and for a value that is missing, NaN or infinite.
    """
    lines, names = _text(content).split("\n"), list(units)
    start = next((i for i, line in enumerate(lines) if not ABOVE.fullmatch(line.strip())), None)
    if start is None:
        raise ValueError("is no CSV that can be read (it is empty)")
    if len(lines[start]) > MAX_HEADER:
        raise ValueError(f"is no CSV that can be read (its line of names has {len(lines[start])} characters)")
    by = _separator(lines[start], names)
    header = _fields(lines[start], by)
    at = _places(header, units)
    # By the numbers of their lines, for Arrow passes over empty ones.
    rows = {i + 1: line for i, line in enumerate(lines) if i > start and line.strip()}
    if not rows:
        raise ValueError("has no sample")
    _check_numbers(next(iter(rows.values())), by, len(header))
    columns = [str(i) for i in range(len(header))]

    def named(i: int) -> str:
        return header[i].strip() if i < len(header) else str(i)

    wanted = [columns[i] for i in at]
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader("\n".join(rows.values()).encode()),
            pyarrow.csv.ReadOptions(column_names=columns, use_threads=False),
            pyarrow.csv.ParseOptions(delimiter=by),
            pyarrow.csv.ConvertOptions(
                column_types={name: pa.float64() for name in wanted}, include_columns=wanted, null_values=["", '""']
            ),
        )
    except pa.ArrowException as error:
        numbers = list(rows)
        fault = re.sub(r"Row #(\d+)", lambda row: f"line {numbers[int(row[1]) - 1]}", str(error).splitlines()[0])
        fault = re.sub(r"In CSV column #(\d+)", lambda c: f"in column {named(int(c[1]))}", fault)
        raise ValueError(f"is no CSV of numbers that can be read ({fault[:300]})") from None
    values = np.stack([table[name].to_numpy() for name in wanted], axis=1)
    if len(bad := np.argwhere(~np.isfinite(values))):
        line, name = list(rows)[bad[0][0]], names[bad[0][1]]
        raise ValueError(f"has {len(bad)} values that are missing, NaN or infinite; the first is {name} in line {line}")
    return values


def check_text(content: bytes) -> None:
    """Raises ValueError for UTF-16, and for zero bytes, as no text has them."""
    head = content[:64]
    if head[:2] in (b"\xff\xfe", b"\xfe\xff") or (len(head) > 3 and 0 in (head[0], head[1]) and head[0] != head[1]):
        raise ValueError("is written in UTF-16 (a spreadsheet's Unicode text): save it as CSV in UTF-8")
    if tail := len(content) - len(content.rstrip(b"\0")):
        raise ValueError(f"ends in {tail} zero bytes, as a logger without power leaves them: cut them off")
    if b"\0" in head:
        raise ValueError("is no CSV that can be read (it holds zero bytes, as no text does)")


def _text(content: bytes) -> str:
    """With "\\n" at the end of each line. Raises ValueError for what is no text."""
    check_text(content)
    content = with_newlines(content)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")  # a degree sign in a comment; the names that matter are of ASCII


def with_newlines(content: bytes) -> bytes:
    """Of Windows' and old Macs' line ends too."""
    return content.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in content else content


def _separator(header: str, names: Sequence[str]) -> str:
    """The one that divides the line of names. Raises ValueError where it is no line of names."""
    counts = {by: sum(_plain(name) in names for name in header.split(by)) for by in SEPARATORS}
    best = max(counts, key=lambda by: (counts[by], header.count(by)))
    fields = [field.strip().strip('"') for field in header.split(best)]
    if counts[best] == 0:
        if all(NUMBER.fullmatch(field) or DECIMAL_COMMA.fullmatch(field) or not field for field in fields):
            raise ValueError(f"has no names of its columns: write {','.join(names)} above its first line of numbers")
        if len(fields) == 1 and all(name in header.lower().split() for name in names):
            raise ValueError(f"divides its columns by blanks: write {','.join(names)} and so on, with commas")
        shown = ", ".join(fields)[:200]
        raise ValueError(f"is no CSV that can be read: its first line is {shown!r}; it needs {', '.join(names)}")
    return best


def _fields(line: str, by: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=by), [])
    except csv.Error as error:
        raise ValueError(f"is no CSV that can be read ({error})") from None


def _plain(name: str) -> str:
    """A column's name without quotes, unit, blanks and capitals."""
    return UNIT.sub("", _written(name)).strip().lower()


def _written(name: str) -> str:
    return name.strip().strip("\"'").strip()


def _places(header: Sequence[str], units: Mapping[str, str]) -> list[int]:
    """Where each name stands. Raises ValueError for one that is missing, there twice, or in another unit."""
    found = [_plain(name) for name in header]
    missing = [name for name in units if name not in found]
    if missing:
        listed = ", ".join(name.strip() or "(no name)" for name in header)[:200]
        raise ValueError(f"has the columns {listed}; it needs {', '.join(units)}")
    twice = [name for name in units if found.count(name) > 1]
    if twice:
        raise ValueError(f"has more than one column {', '.join(twice)}: leave one of each")
    for name, unit in units.items():
        written = _written(header[found.index(name)])
        given = UNIT.search(written)
        if given and given[1].strip() not in SPELLINGS[unit]:
            raise ValueError(f"has the column {written!r}, and {name} is wanted in {unit}: convert it, then name it so")
    return [found.index(name) for name in units]


def _check_numbers(first: str, by: str, columns: int) -> None:
    """Raises ValueError for decimal commas in a line, which a reader would take for columns or for words."""
    fields = _fields(first, by)
    halves = by == "," and len(fields) >= 2 * columns - 1 > columns  # 0,5,0,25 is 0.5 and 0.25
    if halves or any(DECIMAL_COMMA.fullmatch(field.strip()) for field in fields):
        raise ValueError(f"has decimal commas ({first[:60]!r}): write its numbers with decimal points")

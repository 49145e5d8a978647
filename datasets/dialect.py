"""CSV files as loggers, phones and spreadsheets write them: named columns of numbers, in any order.

Read is what can only mean one thing: a byte order mark, any line ends, commas, semicolons or tabs, names in capitals or
quotes or with blanks around them, units in names where they are the ones that are meant, comments above the names, and
further columns (an index, a time). The rest is refused, in words that say what was found and how to write it.
"""

import csv
import re
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.csv

SEPARATORS = ",;\t"
# As people write the units that are meant, in brackets behind a name.
SPELLINGS = {"g": ("g", "G"), "deg/s": ("deg/s", "°/s", "dps", "deg/sec", "deg s-1", "degrees/s")}
UNIT = re.compile(r"\s*[\[(]\s*(.*?)\s*[\])]\s*$")
# Above the names: empty lines, comments, and the separator as spreadsheets say it.
ABOVE = re.compile(r"\s*(#.*|\"?sep=.\"?)?\s*", re.IGNORECASE)
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")


def read_columns(content: bytes, units: Mapping[str, str]) -> pa.Table:
    """The columns that `units` names, with the unit that each is meant to be in, as float64 in that order.

    An empty field is null. Raises ValueError for what can't be read or is ambiguous.
    """
    lines, names = _text(content).split("\n"), list(units)
    start = next((i for i, line in enumerate(lines) if not ABOVE.fullmatch(line)), None)
    if start is None:
        raise ValueError("is no CSV that can be read (it is empty)")
    by = _separator(lines[start], names)
    header = _fields(lines[start], by)
    at = _places(header, units)
    _check_numbers(lines[start + 1 :], by, len(header))
    columns = [str(i) for i in range(len(header))]

    def named(i: int) -> str:
        return header[i].strip() if i < len(header) else str(i)

    rows = "\n".join(lines[start + 1 :])
    if not rows.strip():
        return pa.table({name: pa.array([], pa.float64()) for name in names})
    wanted = [columns[i] for i in at]
    try:
        table = pyarrow.csv.read_csv(
            pa.BufferReader(rows.encode()),
            pyarrow.csv.ReadOptions(column_names=columns, use_threads=False),
            pyarrow.csv.ParseOptions(delimiter=by),
            pyarrow.csv.ConvertOptions(
                column_types={name: pa.float64() for name in wanted}, include_columns=wanted, null_values=["", '""']
            ),
        )
    except pa.ArrowException as error:
        fault = re.sub(r"Row #(\d+)", lambda row: f"line {int(row[1]) + start + 1}", str(error).splitlines()[0])
        fault = re.sub(r"In CSV column #(\d+)", lambda c: f"in column {named(int(c[1]))}", fault)
        raise ValueError(f"is no CSV of numbers that can be read ({fault[:300]})") from None
    return table.rename_columns(names)


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
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")  # a degree sign in a comment; the names that matter are of ASCII
    return text.replace("\r\n", "\n").replace("\r", "\n")


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
    return UNIT.sub("", name.strip().strip("\"'").strip()).strip().lower()


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
        written = header[found.index(name)].strip().strip("\"'")
        given = UNIT.search(written)
        if given and given[1] not in SPELLINGS[unit]:
            raise ValueError(f"has the column {written!r}, and {name} is wanted in {unit}: convert it, then name it so")
    return [found.index(name) for name in units]


def _check_numbers(lines: Sequence[str], by: str, columns: int) -> None:
    """Raises ValueError for decimal commas, which a reader would take for columns or for words."""
    first = next((line for line in lines if line.strip()), "")
    fields = _fields(first, by)
    halves = by == "," and len(fields) >= 2 * columns - 1 > columns  # 0,5,0,25 is 0.5 and 0.25
    if halves or any(DECIMAL_COMMA.fullmatch(field.strip()) for field in fields):
        raise ValueError(f"has decimal commas ({first[:60]!r}): write its numbers with decimal points")

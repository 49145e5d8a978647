"""Whole files made broken: what may be done to their bytes, and doing it."""

from hypothesis import strategies as st

# What parsers stumble over: no length, all of it, the largest of a type, one less than nothing.
WORDS = [bytes(4), b"\xff" * 4, b"\xff\xff\xff\x7f", b"\x7f\xff\xff\xff", b"\x00\x00\x00\x80", b"\x01\x00\x00\x00"]
edits = st.lists(
    st.tuples(
        st.sampled_from(["set", "word", "insert", "delete", "repeat", "cut", "swap"]),
        st.floats(0, 1, exclude_max=True),  # where
        st.integers(1, 64),  # how much
        st.one_of(st.sampled_from(WORDS), st.binary(min_size=1, max_size=8)),
    ),
    min_size=1,
    max_size=6,
)
Edit = tuple[str, float, int, bytes]


def mutated(content: bytes, changes: list[Edit]) -> bytes:
    out = bytearray(content)
    for kind, where, size, new in changes:
        # Headers are at the front: as many edits go to the first kilobyte as to all of the rest.
        at = int(where * 2 * len(out)) if where < 0.5 else int((where - 0.5) * 2 * min(1024, len(out)))
        match kind:
            case "set" | "word":
                out[at : at + len(new)] = new
            case "insert":
                out[at:at] = new * size
            case "delete":
                del out[at : at + size]
            case "repeat":
                out[at:at] = out[at : at + size] * 8
            case "cut":
                del out[at:]
            case "swap":
                out[at : at + size] = out[at : at + size][::-1]
    return bytes(out)

"""The commands that the pages give: lines of their blocks, what stands between backticks, and what those start."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (
    "README.md",
    "docker/README.md",
    "datasets/README.md",
    "models/README.md",
    "experiments/README.md",
    "orchestrator/README.md",
)
FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
# Blocks without a language that show something else than commands: a line of each.
SHOWN = ("DIR/walking/v_walking_g01_c01.avi",)


def text(page: str) -> str:
    return (ROOT / page).read_text()


def commands(page: str) -> Iterator[list[str]]:
    """The words of each, those of a line of a block first; what a command starts in turn comes after it."""
    for language, block in FENCED.findall(text(page)):
        if not language and not block.startswith(SHOWN):
            for line in block.splitlines():
                yield from parts(line)
    for words in inline(page):
        if not words.startswith("--"):
            yield from parts(words)


def flags(page: str) -> list[list[str]]:
    """What stands between backticks and begins with a flag."""
    return [shlex.split(words) for words in inline(page) if words.startswith("--")]


def inline(page: str) -> list[str]:
    """Between backticks, what has a flag or begins with a program's name and says more than that."""
    found = [" ".join(words.split()) for words in re.findall(r"`([^`]+)`", FENCED.sub("", text(page)))]
    programs = r"(\S*/)?(make|python|pytest|ray|mlflow|kubectl|docker|playwright|export|\w+\.py) \S"
    return [words for words in found if re.match(programs, words) or re.search(r"(^|\s)--\w", words)]


def parts(line: str) -> Iterator[list[str]]:
    """A shell's line as its commands, less what it sets before them."""
    for inner in re.findall(r"\$\(([^()]*)\)", line):
        yield from parts(inner)
    for part in re.split(r"\s\|\s", re.sub(r"\$\([^()]*\)", "given", line)):
        words = [word for word in shlex.split(part, comments=True) if word != "&"]
        while words and re.match(r"[A-Z_]+=", words[0]):
            del words[0]
        if words:
            words[0] = words[0].removeprefix(".venv/bin/")
            yield words
            yield from started(words)


def started(words: list[str]) -> Iterator[list[str]]:
    """By `ray job submit -- ...` and `docker compose exec SERVICE ...`."""
    if words[0] == "ray" and "--" in words:
        yield words[words.index("--") + 1 :]
    elif words[0] == "docker" and "exec" in words:
        inside = words[words.index("exec") + 2 :]
        yield inside
        yield from started(inside)


def script_of(words: list[str]) -> tuple[str, list[str]] | None:
    """An experiment's file name and its flags, where the words are a start of one."""
    words = words[1:] if words[0] == "python" else words
    name = Path(words[0])
    return (name.name, words[1:]) if name.suffix == ".py" else None

"""What a reader of results should know of recordings that are read all the same: one line for each kind."""

from collections.abc import Mapping, Sequence

from datasets.signals import units
from datasets.videos import video_file

NAMED = 5  # files of a kind that a line names; the others are counted


def of_videos(notes: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Of each video file its `video.Film.notes`."""
    lines = []
    for kind, words in video_file.NOTES.items():
        found = {file: of[kind] for file, of in notes.items() if kind in of}
        if found:
            named = some([f"{file} ({how})" if how else file for file, how in found.items()])
            lines.append(f"{len(found)} video{'s' * (len(found) > 1)}: {words}: {named}")
    return lines


def of_signals(clips: Sequence[units.Levels], stated: Sequence[str | None]) -> list[str]:
    """Of each clip its `units.levels`."""
    return _warned(units.warning(clips, stated))


def of_rates(samples: Sequence[int], seconds: Sequence[float], hz: float | None) -> list[str]:
    """Of each clip how many samples its signal has and how long its video is."""
    return _warned(units.rate_warning(samples, seconds, hz))


def of_content(clips: Sequence[str], contents: Sequence[str]) -> list[str]:
    """Of each clip the digest of its files: a clip that is there twice may both train and be tested."""
    first: dict[str, str] = {}
    twice = [
        (clip, first[content])
        for clip, content in zip(clips, contents, strict=True)
        if first.setdefault(content, clip) != clip
    ]
    if not twice:
        return []
    named = some([f"{clip} is {other}" for clip, other in twice])
    return _warned(f"clips with the content of another one: {len(twice)} ({named})")


def some(names: Sequence[str]) -> str:
    """The first of many."""
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def _warned(words: str | None) -> list[str]:
    return [f"WARNING: {words}"] if words else []

"""What a reader of results should know of recordings that are read all the same: one line for each kind."""

from collections.abc import Mapping, Sequence

from datasets import units, video

NAMED = 5  # files of a kind that a line names; the others are counted


def of_videos(notes: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Of each video file its `video.Film.notes`."""
    lines = []
    for kind, words in video.NOTES.items():
        found = {file: of[kind] for file, of in notes.items() if kind in of}
        if found:
            named = [f"{file} ({how})" if how else file for file, how in list(found.items())[:NAMED]]
            more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
            lines.append(f"{len(found)} video{'s' * (len(found) > 1)}: {words}: {', '.join(named)}{more}")
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
    named = ", ".join(f"{clip} is {other}" for clip, other in twice[:NAMED])
    more = f" and {len(twice) - NAMED} more" if len(twice) > NAMED else ""
    return _warned(f"clips with the content of another one: {len(twice)} ({named}{more})")


def _warned(words: str | None) -> list[str]:
    return [f"WARNING: {words}"] if words else []

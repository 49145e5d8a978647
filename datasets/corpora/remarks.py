"""What a reader of results should know of recordings that are read all the same, whatever their modality."""

from collections.abc import Hashable, Sequence

from datasets.files.listing import some


def of_content(clips: Sequence[str], contents: Sequence[Hashable]) -> list[str]:
    """Of each clip the digests of its files: a clip that is there twice may both train and be tested."""
    first: dict[Hashable, str] = {}
    twice = [
        (clip, first[content])
        for clip, content in zip(clips, contents, strict=True)
        if first.setdefault(content, clip) != clip
    ]
    if not twice:
        return []
    named = some([f"{clip} is {other}" for clip, other in twice])
    return [f"WARNING: clips with the content of another one: {len(twice)} ({named})"]

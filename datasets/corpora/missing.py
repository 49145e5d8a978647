"""What becomes of a clip that lacks a recording, or a sensor's: decided here, for every corpus."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from datasets import modalities
from datasets.files.bad_file import BadFile

Policy = Literal["error", "padding", "exclusion"]
# Of --missing-sensors.
POLICIES: dict[str, Policy] = {"pad": "padding", "exclude": "exclusion"}


def errors(policy: Policy, lacking: Sequence[str], there: str) -> list[BadFile]:
    """Where it is an error, the file of the clip that is there, for each modality that isn't."""
    if policy != "error":
        return []
    return [BadFile(there, f"has no {modalities.of(name).label} recording beside it") for name in lacking]


def kept(policy: Policy, lacking: Sequence[Sequence[str]]) -> list[bool]:
    """Whether each clip stays, by what it lacks."""
    return [policy == "padding" or not names for names in lacking]


def notes(policy: Policy, lacking: Sequence[Sequence[str]], clips: str, recording: str) -> list[str]:
    """What a reader of results should know of it; `clips` and `recording` say what lacks what."""
    count = sum(map(bool, lacking))
    if policy == "exclusion":
        return [f"{count} {clips} that lack {recording} are left out"]
    if policy == "error" or not count:
        return []
    of_each = Counter(name for names in lacking for name in names)
    listed = ", ".join(f"{name} {many}" for name, many in sorted(of_each.items()))
    return [f"{count} of {len(lacking)} {clips} lack {recording}, which are padded ({listed})"]

"""The forms of pose files that are read, and what is refused with its reason."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datasets.skeletons import poses
from datasets.skeletons.poses import read_people
from tests.support.recordings.poses import challenge, frames_of, walking

FRAMES = frames_of(walking(0, 3, frames=12), walking(500, 0, frames=12, confidence=0.5))
PERSON = FRAMES[0][0]


def detections(people: list[list[float]]) -> list[dict[str, Any]]:
    return [{"keypoints": person, "bbox": [0, 0, 1, 1], "score": 0.9, "category_id": 1} for person in people]


FORMS: dict[str, Callable[[list], str]] = {
    "challenge": lambda frames: json.dumps(challenge(frames)),
    "out of order": lambda frames: json.dumps(dict(sorted(challenge(frames).items()))),
    "named": lambda frames: json.dumps({f"frame_{n}.jpg": f for n, f in reversed(challenge(frames).items())}),
    "lists": lambda frames: json.dumps([detections(people) for people in frames]),
    "nested": lambda frames: json.dumps([[np.reshape(p, (17, 3)).tolist() for p in people] for people in frames]),
    "lines": lambda frames: "".join(
        json.dumps({"frame": number, "predictions": detections(people)}) + "\n"
        for number, people in enumerate(frames, 1)
    ),
    "dicts": lambda frames: json.dumps([{"predictions": detections(people)} for people in frames]),
    "marked": lambda frames: "\ufeff" + json.dumps(challenge(frames), indent=1),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_people(form: str, tmp_path: Path) -> None:
    frames = [*FRAMES[:4], [], *FRAMES[5:11], FRAMES[11][:1]]
    file = tmp_path / "clip.json"
    file.write_text(FORMS[form](frames))
    found = read_people(file)
    assert [len(people) for people in found] == [2, 2, 2, 2, 0, 2, 2, 2, 2, 2, 2, 1]
    for people, wanted in zip(found, frames, strict=True):
        np.testing.assert_array_equal(people, np.reshape(wanted, (-1, 17, 3)))


def changed(at: int, value: Any) -> str:
    return json.dumps([[PERSON], [[*PERSON[:at], value, *PERSON[at + 1 :]]]])


WHOLE = json.dumps(challenge(FRAMES))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "is empty: copy or download it again"),
        (" \n", "is cut off"),
        ("<html>log in</html>", "is a web page"),
        *((WHOLE[:at], "is cut off: copy or download it again") for at in (1, 900, 901, 902, 1400, len(WHOLE) - 1)),
        (WHOLE + "]", "is no JSON that can be read (Expecting value"),
        ("{'1': []}", "is no JSON that can be read (Expecting property name"),
        ("[" * 100_000 + "]" * 100_000, "is no JSON that can be read: it is nested too deeply"),
        (b"\xff\xfe[\x00", "is no JSON that can be read: it isn't UTF-8"),
        ("[]", "has no frames"),
        ("{}", "has no frames"),
        ("7", "holds 7.0, neither a list of frames nor frames by name"),
        ("[7]", "frame 1 holds 7.0, not a list of people"),
        ('{"keypoints": [1]}', "frame 1 has 1.0 for a person"),
        ('[{"bbox": [1]}]', "frame 1 has neither predictions nor person1, but 'bbox'"),
        ('[[{"bbox": [1]}]]', "frame 1 has None for a person, not a list of keypoints"),
        (json.dumps([[PERSON], [PERSON[:-3]]]), "frame 2 has 48 numbers for a person, not 51: x, y and confidence"),
        (json.dumps([[PERSON * 2]]), "frame 1 has 102 numbers for a person, not 51"),
        (changed(3, "12"), "frame 2 has '12' where a number belongs"),
        (changed(3, None), "frame 2 has None where a number belongs"),
        (changed(3, True), "frame 2 has True where a number belongs"),
        (changed(3, float("nan")), "holds NaN, which is no number of JSON"),
        (changed(3, 0).replace(" 0,", " 1e999,", 1), "frame 2 has inf where a number belongs"),
        (changed(3, 0).replace(" 0,", f" {'9' * 5000},", 1), "frame 2 has inf where a number belongs"),
        (changed(5, -0.5), "frame 2 has a confidence of -0.5, which is below 0"),
    ],
    ids=lambda given: str(given)[:60],
)  # fmt: skip
def test_what_is_bad_is_refused_with_one_reason(content: str | bytes, reason: str, tmp_path: Path) -> None:
    file = tmp_path / "clip.json"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ValueError, match=r"^[^\n]*$") as raised:
        read_people(file)
    assert reason in str(raised.value)


def test_more_than_64_mb_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "clip.json").open("wb") as file:
        file.truncate(poses.MAX_BYTES + 1)
    with pytest.raises(ValueError, match="is larger than 64 MB"):
        read_people(tmp_path / "clip.json")
